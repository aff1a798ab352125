//! A remote write request, packed and not, of both versions, with the labels of all its series.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shoal_proto::remote_write::{self, Columns};

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    if let Ok(unpacked) = remote_write::unpack(bytes) {
        read(&unpacked);
    }
});

fn read(message: &[u8]) {
    for columns in [remote_write::decode_v1(message), remote_write::decode_v2(message)].into_iter().flatten() {
        check(&columns);
    }
}

/// The points of the rows are the points; what labels say is what a label set says.
fn check(columns: &Columns<'_>) {
    let points: usize = columns.series.iter().map(|row| row.points as usize).sum();
    assert_eq!(points, columns.points.len());
    for row in &columns.series {
        if let Ok((labels, _)) = remote_write::labels(columns.labels(row), Some("replica")) {
            assert_eq!(shoal_model::Labels::from_canonical(labels.canonical()), Ok(labels));
        }
    }
}
