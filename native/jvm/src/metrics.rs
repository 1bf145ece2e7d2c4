//! What was measured, as Java reads it: one array of longs, a head and a record per operation.
//!
//! The other side is the Java class `MetricsWords`; `layout` has both compared. Called when Java asks.

use ferrofuse_session::{Measures, Metrics, BUCKETS};
use jni::objects::JLongArray;
use jni::Env;

use crate::error::Error;

/// Longs in the head.
pub(crate) const HEAD: usize = 4;
pub(crate) const IN_FLIGHT: usize = 0;
pub(crate) const WORKERS: usize = 1;
/// 0: nothing is being served.
pub(crate) const LONGEST_OPCODE: usize = 2;
pub(crate) const LONGEST_NANOS: usize = 3;

/// Longs in a record; its fields follow.
pub(crate) const RECORD: usize = BUCKETS_AT + BUCKETS;
pub(crate) const OPCODE: usize = 0;
pub(crate) const ERRORS: usize = 1;
pub(crate) const NANOS: usize = 2;
pub(crate) const MAX: usize = 3;
pub(crate) const WAITS: usize = 4;
pub(crate) const WAITED: usize = 5;
/// The last field: as many as are left.
pub(crate) const BUCKETS_AT: usize = 6;

/// An array of Java's with all of it.
///
/// # Errors
/// Java has no memory for it.
pub(crate) fn to_java<'l>(env: &mut Env<'l>, metrics: &Metrics) -> Result<JLongArray<'l>, Error> {
    let words = words(metrics);
    let array = env.new_long_array(words.len())?;
    array.set_region(env, 0, &words)?;
    Ok(array)
}

fn words(metrics: &Metrics) -> Vec<i64> {
    let mut words = vec![0; HEAD + metrics.operations.len() * RECORD];
    let (head, records) = words.split_at_mut(HEAD);
    head[IN_FLIGHT] = signed(metrics.in_flight);
    head[WORKERS] = metrics.workers as i64;
    if let Some((opcode, time)) = metrics.longest {
        head[LONGEST_OPCODE] = i64::from(opcode);
        head[LONGEST_NANOS] = i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
    }
    for (record, (opcode, measures)) in records.chunks_exact_mut(RECORD).zip(&metrics.operations) {
        record[OPCODE] = i64::from(*opcode);
        fill(record, measures);
    }
    words
}

fn fill(record: &mut [i64], measures: &Measures) {
    record[ERRORS] = signed(measures.errors);
    record[NANOS] = signed(measures.nanos);
    record[MAX] = signed(measures.max);
    record[WAITS] = signed(measures.waits);
    record[WAITED] = signed(measures.waited);
    for (word, &count) in record[BUCKETS_AT..].iter_mut().zip(measures.buckets.iter()) {
        *word = signed(count);
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_head_is_followed_by_a_record_per_operation() {
        let mut measures = Measures {
            errors: 1,
            nanos: 2,
            max: u64::MAX,
            waits: 4,
            waited: 5,
            ..Measures::default()
        };
        measures.buckets[0] = 6;
        measures.buckets[BUCKETS - 1] = 7;
        let words = words(&Metrics {
            in_flight: 8,
            workers: 9,
            longest: Some((15, Duration::from_nanos(10))),
            operations: vec![(1, Measures::default()), (15, measures)],
        });
        assert_eq!(words.len(), HEAD + 2 * RECORD);
        assert_eq!(words[..HEAD], [8, 9, 15, 10]);
        let record = &words[HEAD + RECORD..];
        assert_eq!(record[..BUCKETS_AT], [15, 1, 2, i64::MAX, 4, 5]);
        assert_eq!((record[BUCKETS_AT], record[RECORD - 1]), (6, 7));
    }
}
