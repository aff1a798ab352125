// Runs inside the page: its modules against tables of what they must say. Returns what is wrong.

const folder = document.querySelector("script[type=module]").src.replace(/[^/]*$/, "");
const from = name => import(folder + name);
const failures = [];
const check = (what, found, expected) => {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
  if (a !== b) failures.push(`${what}: ${a} and not ${b}`);
};

const format = await from("format.js");
const numbers = [[0, "0"], [1234, "1.23k"], [999.9, "1k"], [0.00012, "120µ"], [-1500000, "−1.5M"], [NaN, "NaN"], [-Infinity, "−Inf"], [1, "1"], [99.96, "100"], [0.1, "0.1"], [0.04074, "0.0407"], [-0.5, "−0.5"]];
for (const [value, text] of numbers) check(`si(${value})`, format.si(value), text);
for (const [value, axis, text] of [[0.5, { step: 0.5, low: 0, high: 2 }, "0.5"], [1.5e6, { step: 5e5, low: 0, high: 2e6 }, "1.5M"], [5e5, { step: 5e5, low: 0, high: 2e6 }, "0.5M"], [-20, { step: 20, low: -20, high: 60 }, "−20"], [1801234.5, { step: 0.5, low: 1801234, high: 1801236 }, "1.8012345M"], [0, { step: 1, low: 0, high: 3 }, "0"]]) check(`tick(${value})`, format.tick(value, axis), text);
check("rates", [format.rate(0), format.rate(0.488), format.rate(1234)], ["0/s", "0.49/s", "1.23k/s"]);
for (const [value, text] of [[0, "0 B"], [1023, "1023 B"], [1536, "1.5 KiB"], [1048575, "1 MiB"], [2 ** 40 * 12, "12 TiB"]]) check(`bytes(${value})`, format.bytes(value), text);
for (const [ms, text] of [[400, "0.4 s"], [12_000, "12 s"], [59_700, "1 min"], [7_500_000, "2 h 5 min"], [3_600_000, "1 h"], [356_400_000, "4 d 3 h"]]) check(`span(${ms})`, format.span(ms), text);
for (const [ms, text] of [[90_000, "1m30s"], [3_600_000, "1h"], [1_500, "1s500ms"], [0, "0s"]]) check(`promql(${ms})`, format.promql(ms), text);
for (const [text, ms] of [["1m30s", 90_000], ["1h", 3_600_000], ["2w", 1_209_600_000], ["15", null], ["m", null], ["1h ", 3_600_000], ["0s", null]]) check(`millis(${text})`, format.millis(text), ms);
for (const [text, ms] of [["2024-02-29 12:00", 1_709_208_000_000], ["2024-02-29T12:00:01.5", 1_709_208_001_500], ["1709208000", 1_709_208_000_000], ["2024-13-01", null], ["noon", null]]) check(`moment(${text})`, format.moment(text, "utc"), ms);

const ticks = await from("ticks.js");
check("ticks of a range", ticks.valueTicks(0, 97, 5).ticks, [0, 20, 40, 60, 80, 100]);
check("ticks are round", ticks.valueTicks(0.1, 0.32, 4).ticks, [0.1, 0.2, 0.3, 0.4]);
check("ticks of one value", ticks.valueTicks(5, 5, 4).ticks.includes(5), true);
const noon = Date.UTC(2024, 1, 29, 12);
check("ticks of an hour", ticks.timeTicks(noon, noon + 3_600_000, 5, "utc").map(tick => tick.label), ["12:00", "12:15", "12:30", "12:45", "13:00"]);
check("a day is named", ticks.timeTicks(noon, noon + 86_400_000, 4, "utc").filter(tick => tick.isDay).map(tick => tick.label), ["Mar 1"]);
check("a step of its own", [ticks.autoStep(300_000, 1200), ticks.autoStep(3_600_000, 1200), ticks.autoStep(1000, 1200)], [1000, 10_000, 1000]);

const { tokens, place } = await from("promql.js");
const kinds = text => tokens(text).filter(token => token.kind !== "space").map(token => token.kind);
check("tokens", kinds("sum by (job) (rate(http_total{code=~\"5..\"}[5m])) > 1.5"), ["function", "keyword", "open", "label", "close", "open", "function", "open", "metric", "open", "label", "operator", "string", "close", "open", "duration", "close", "close", "close", "operator", "number"]);
check("all of a text", tokens("a{b=\"c\\\"d\" # x\n}").map(token => token.text).join(""), "a{b=\"c\\\"d\" # x\n}");
check("a metric named as a function", kinds("rate + sum"), ["metric", "operator", "metric"]);
const at = text => { const caret = text.indexOf("|"); const found = place(text.replace("|", ""), caret); return [found.kind, found.prefix, found.metric ?? found.label ?? null]; };
check("an expression", at("sum(ra|"), ["expression", "ra", null]);
check("a label of a metric", at("up{jo|}"), ["label", "jo", "up"]);
check("a label after another", at("up{job=\"a\", in|"), ["label", "in", "up"]);
check("a value", at("up{job=\"no|\"}"), ["value", "no", "up"]);
check("a label to group by", at("sum by (jo|) (up)"), ["label", "jo", "up"]);
check("a duration", at("rate(up[5|"), ["duration", "5", null]);
check("nothing in a comment", place("up # x", 6).kind, "none");

const { placeOf } = await from("complaint.js");
const points = (message, text) => { const found = placeOf(message, text); return found && text.slice(...found); };
check("an unclosed bracket", points("parse error: unclosed left parenthesis", "sum(rate(up[5m])"), "(");
check("an unknown function", points("parse error: unknown function with name 'fooo'", "sum(up) + fooo(1)"), "fooo");
check("a text without end", points("parse error: unterminated quoted string \"", "up{job=\"x"), "\"x");
check("two side by side", points("parse error: invalid promql query", "up down"), "down");

const route = await from("route.js");
const address = "q=up&q=rate%28x%5B5m%5D%29&from=1000&to=61000&step=1m30s&as=table&at=5000&with=abc&live=off";
check("an address comes back", route.writeQuestion(route.readQuestion(new URLSearchParams(address))).toString(), address);
check("what is usual is left out", route.writeQuestion(route.readQuestion(new URLSearchParams("q=up&range=1h"))).toString(), "q=up");
check("an unknown view", route.read("#/nowhere?x=1").view, "cluster");

const { dataText, read, nameOf } = await from("answer.js");
const tricky = "{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"a\":\"}\\\\\\\"]\"},\"value\":[1.5,\"+Inf\"]}]}";
check("the bytes of data", dataText(`{"status":"success","data":${tricky},"warnings":["\\"data\\":{}"]}`), tricky);
const answer = read({ text: `{"status":"success","data":${tricky}}`, headers: new Headers({ "shoal-frontier": "ff" }), took: 1 });
check("an answer", [answer.series[0].times[0], answer.series[0].texts[0], answer.frontier], [1500, "+Inf", "ff"]);
check("a name", nameOf({ __name__: "up", job: "a\"b" }), "up{job=\"a\\\"b\"}");

const { differences, verdict } = await from("difference.js");
const one = (name, pairs) => ({ name, times: Float64Array.from(pairs, ([at]) => at), texts: pairs.map(([, text]) => text) });
check("no difference", differences([one("a", [[1, "1"]])], [one("a", [[1, "1"]])]), []);
check("the first difference", differences([one("a", [[1, "1"], [2, "2"]])], [one("a", [[1, "1"], [2, "3"]]), one("b", [[1, "7"]])]).map(each => [each.name, each.at, each.here ?? null, each.there]), [["b", 1, null, "7"], ["a", 2, "2", "3"]]);
check("verdicts", [verdict({ data: "x" }, { data: "x" }), verdict({ data: "x", frontier: "1" }, { data: "y", frontier: "2" }), verdict({ data: "x", frontier: "1" }, { data: "y", frontier: "1" })], ["same", "behind", "differs"]);

const scale = await from("scale.js");
const gap = { times: Float64Array.from([0, 10, 20, 60, 70]), values: Float64Array.from([1, 2, 3, 4, NaN]) };
check("gaps stay gaps", scale.pieces(gap, 10), [[0, 2], [3, 3]]);
check("the nearest sample", [scale.nearest(gap, 13, 10), scale.nearest(gap, 40, 10)], [1, -1]);

const { Readings } = await from("readings.js");
const readings = new Readings();
const say = (time_ms, accepted, life = 1) => readings.add({ time_ms, points: accepted, doors: { import: { accepted, refused: {} }, statsd: { accepted: 99, refused: {} } }, usage: { started_ms: life, cpu_seconds: 0, peer_bytes_in: 0, peer_bytes_out: 0 } });
say(1000, 10); say(2000, 30); say(3000, 50);
check("a rate", readings.rate(reading => reading.written), 20);
say(4000, 5, 2);
check("a restart is no fall", readings.rate(reading => reading.written), null);

const { ranked } = await from("vocabulary.js");
check("the likeliest first", ranked(["node_load1", "up", "load", "x_load_x"].map(text => ({ text })), "load").map(word => word.text), ["load", "x_load_x", "node_load1"]);
check("nothing left to complete", ranked([{ text: "up" }], "up"), []);

const { Editor } = await from("editor.js");
const taken = (text, option) => {
  const editor = new Editor({ run() {}, change() {} });
  editor.text = text.replace("|", "");
  editor.input.setSelectionRange(text.indexOf("|"), text.indexOf("|"));
  editor.take(option);
  return editor.text;
};
check("an option replaces all that is typed by now", [taken("sum(heart_b|)", { put: "heart_beats_total" }), taken("up{job=\"no|\"}", { put: "node" })], ["sum(heart_beats_total)", "up{job=\"node\"}"]);

const press = (node, key) => node.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
press(document.body, "/");
const field = document.activeElement;
check("a slash leads to the query before the next key", [field.tagName, location.hash], ["TEXTAREA", "#/explore"]);
field.value = "up";
press(field, "Enter");
check("Enter asks before the next key", [field.closest(".panel")?.getAttribute("aria-busy"), location.hash], ["true", "#/explore?q=up"]);
document.querySelector(".skip").click();
check("the way past the header leads to the content of the same view", [document.activeElement.id, location.hash], ["main", "#/explore?q=up"]);
// Without those two steps the way back leads out of the page.
if (failures.length) return failures;
const gone = new Promise(done => addEventListener("hashchange", done, { once: true }));
history.go(-2);
await gone;
check("the way back leads through both", [location.hash, document.querySelector("main").firstChild.className], ["", "cluster"]);

return failures;
