//! `shoal add` and `shoal set`: one point from the command line. It gets its identity before it is first sent,
//! so the retries inside the command count once; typed twice it counts twice.

use std::time::{SystemTime, UNIX_EPOCH};

use rand::RngCore;
use shoal_client::{WriteOptions, WriteReceipt};
use shoal_model::time::{DELTA_MILLIS_MAX, delta_time};
use shoal_model::{Kind, Labels, Point, Stream, StreamPoints, Writer};

use super::{CommandError, Target, value_text};

/// What is typed after `shoal add` and `shoal set`.
#[derive(Debug, clap::Args)]
pub(crate) struct Change {
    /// The series, as a selector with = only
    series: String,

    /// The number
    #[arg(allow_negative_numbers = true)]
    number: f64,

    #[command(flatten)]
    target: Target,
}

impl Change {
    pub(crate) async fn add(&self) -> Result<String, CommandError> {
        if !Kind::Delta.accepts(self.number) {
            return Err(CommandError::Increment(self.number));
        }
        let labels = shoal_query::parse_series(&self.series)?;
        let mut key = [0; 16];
        rand::rng().fill_bytes(&mut key);
        let now_ms = now_ms();
        let time = delta_time(now_ms, now_ms, &key).expect("the clock is on the axis");
        let options = WriteOptions { idempotency_key: Some(key.to_vec()), ..WriteOptions::default() };
        let receipt = self.write(&labels, Kind::Delta, time, options).await?;
        Ok(format!("added {} to {labels}\n{}", value_text(self.number), receipt_text(&receipt)))
    }

    pub(crate) async fn set(&self) -> Result<String, CommandError> {
        let labels = shoal_query::parse_series(&self.series)?;
        let receipt = self.write(&labels, Kind::Gauge, now_ms(), WriteOptions::default()).await?;
        Ok(format!("set {labels} to {}\n{}", value_text(self.number), receipt_text(&receipt)))
    }

    /// Without a writer, so that however often it is called there is one stream.
    async fn write(
        &self,
        labels: &Labels,
        kind: Kind,
        time: i64,
        options: WriteOptions,
    ) -> Result<WriteReceipt, CommandError> {
        let stream = Stream { labels: labels.clone(), writer: Writer::NONE, kind };
        let points = vec![Point::new(time, self.number)];
        let receipt = self.target.client()?.write(vec![StreamPoints { stream, points }], options).await?;
        match receipt.refused.first() {
            Some(refused) => Err(CommandError::Refused(refused.reason.clone())),
            None => Ok(receipt),
        }
    }
}

fn receipt_text(receipt: &WriteReceipt) -> String {
    let token = receipt.token.map_or_else(|| "-".to_owned(), |token| token.to_string());
    format!("copies  {}\ntoken   {token}\nnode    {}\n", receipt.copies, receipt.node)
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX).min(DELTA_MILLIS_MAX)
}
