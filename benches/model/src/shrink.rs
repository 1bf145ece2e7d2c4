//! Makes a failing sequence simpler: leaves operations out, and takes simpler arguments, as long as it goes on failing.

use std::time::Instant;

use proptest::strategy::ValueTree;

use crate::op::Op;
use crate::pair::Failure;

/// An operation and simpler forms of it.
pub enum Step {
    /// As it is.
    Fixed(Op),
    /// Gets simpler.
    Tree(Box<dyn ValueTree<Value = Op>>),
}

impl Step {
    /// What it is at present.
    pub fn op(&self) -> Op {
        match self {
            Self::Fixed(op) => op.clone(),
            Self::Tree(tree) => tree.current(),
        }
    }
}

/// The operations of steps.
pub fn ops(steps: &[Step]) -> Vec<Op> {
    steps.iter().map(Step::op).collect()
}

/// Leaves in `steps` what still fails, and answers how. `fails` runs a sequence; a failure of another operation than the
/// first one's is another one, and not followed. Ends at the deadline at the latest.
pub fn shrink(
    steps: &mut Vec<Step>,
    first: Failure,
    deadline: Instant,
    fails: &mut dyn FnMut(&[Op]) -> Option<Failure>,
) -> Failure {
    let kind = first.op.name();
    let mut best = first;
    let mut fails = |ops: &[Op]| fails(ops).filter(|failure| failure.op.name() == kind);
    loop {
        steps.truncate(best.after + 1);
        let without = leave_out(steps, &mut best, deadline, &mut fails);
        let simpler = simplify(steps, &mut best, deadline, &mut fails);
        if !(without || simpler) || Instant::now() >= deadline {
            return best;
        }
    }
}

type Fails<'a> = dyn FnMut(&[Op]) -> Option<Failure> + 'a;

fn leave_out(steps: &mut Vec<Step>, best: &mut Failure, deadline: Instant, fails: &mut Fails<'_>) -> bool {
    let mut changed = false;
    let mut length = steps.len().div_ceil(2);
    while length > 0 {
        let mut end = steps.len();
        while end > 0 && Instant::now() < deadline {
            let start = end.saturating_sub(length);
            let mut candidate = ops(steps);
            candidate.drain(start..end);
            if let Some(failure) = fails(&candidate) {
                steps.drain(start..end);
                *best = failure;
                changed = true;
            }
            end = start;
        }
        length /= 2;
    }
    changed
}

fn simplify(steps: &mut [Step], best: &mut Failure, deadline: Instant, fails: &mut Fails<'_>) -> bool {
    let mut changed = false;
    for at in 0..steps.len() {
        let mut go_on = simpler(&mut steps[at]);
        while go_on && Instant::now() < deadline {
            if let Some(failure) = fails(&ops(steps)) {
                *best = failure;
                changed = true;
                go_on = simpler(&mut steps[at]);
            } else {
                go_on = less_simple(&mut steps[at]);
            }
        }
        // The deadline may have come in between: back to what failed.
        while go_on && fails(&ops(steps)).is_none() && less_simple(&mut steps[at]) {}
    }
    changed
}

fn simpler(step: &mut Step) -> bool {
    match step {
        Step::Fixed(_) => false,
        Step::Tree(tree) => tree.simplify(),
    }
}

fn less_simple(step: &mut Step) -> bool {
    match step {
        Step::Fixed(_) => false,
        Step::Tree(tree) => tree.complicate(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::{operation, Lacking};
    use proptest::strategy::Strategy;
    use proptest::test_runner::TestRunner;
    use std::time::Duration;

    #[test]
    fn what_has_no_part_in_a_failure_is_left_out() {
        let mut runner = TestRunner::deterministic();
        let strategy = operation(&Lacking::default());
        let trees =
            (0..200).map(|_| Step::Tree(Box::new(strategy.new_tree(&mut runner).expect("few are filtered out"))));
        let mut steps: Vec<Step> = trees.collect();
        // fails by the first mkdir after any unlink
        let mut fails = |ops: &[Op]| {
            let unlink = ops.iter().position(|op| op.name() == "unlink")?;
            let mkdir = ops[unlink..].iter().position(|op| op.name() == "mkdir")? + unlink;
            Some(Failure {
                after: mkdir,
                op: ops[mkdir].clone(),
                differences: vec![],
            })
        };
        let first = fails(&ops(&steps)).expect("among 200 operations there are both");
        let deadline = Instant::now() + Duration::from_secs(60);
        let best = shrink(&mut steps, first, deadline, &mut fails);
        let left: Vec<_> = ops(&steps).iter().map(Op::to_string).collect();
        assert_eq!(left, ["unlink f", "mkdir f 0644"]);
        assert_eq!(best.after, 1);
    }
}
