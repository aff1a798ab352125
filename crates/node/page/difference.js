// What two answers to one question do not have in common.

/** The differences of two answers' series, the earliest first: `[{name, at, here, there}]`; `undefined` where one has none. */
export function differences(here, there) {
  const found = [];
  const others = new Map(there.map(series => [series.name, series]));
  for (const series of here) {
    found.push(...between(series, others.get(series.name)));
    others.delete(series.name);
  }
  for (const series of others.values()) found.push(...between(undefined, series));
  return found.sort((a, b) => a.at - b.at);
}

function between(here, there) {
  const found = [];
  const [ours, theirs] = [samples(here), samples(there)];
  const name = (here ?? there).name;
  for (const [at, text] of ours) if (theirs.get(at) !== text) found.push({ name, at, here: text, there: theirs.get(at) });
  for (const [at, text] of theirs) if (!ours.has(at)) found.push({ name, at, here: undefined, there: text });
  return found;
}

function samples(series) {
  return new Map(series ? [...series.times].map((at, index) => [at, series.texts[index]]) : []);
}

/**
 * The verdict on two answers: `same`, `behind` (they differ, and so do the frontiers: one node has what the other has not
 * yet), or `differs` (they differ although they must not).
 */
export function verdict(here, there) {
  if (here.data === there.data) return "same";
  return here.frontier !== there.frontier ? "behind" : "differs";
}
