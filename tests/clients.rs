//! Other people's clients against real nodes: programs from Debian's packages and modules from PyPI, used as their
//! users use them. A test whose client is not installed says `skipped: needs X` and passes; `.ci/run` installs them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

#[expect(dead_code, reason = "the harness serves several test targets, none of which uses all of it")]
#[path = "cluster/harness.rs"]
mod harness;
#[path = "clients/installed.rs"]
mod installed;
#[path = "clients/moving.rs"]
mod moving;
#[path = "clients/otlp.rs"]
mod otlp;
#[path = "clients/page.rs"]
mod page;
#[path = "clients/promtool.rs"]
mod promtool;
#[path = "clients/push.rs"]
mod push;
#[path = "clients/remote_write.rs"]
mod remote_write;
#[path = "clients/scrape.rs"]
mod scrape;
#[path = "clients/statsd.rs"]
mod statsd;
#[path = "clients/webdriver.rs"]
mod webdriver;
