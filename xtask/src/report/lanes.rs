//! Puts steps that ran at the same time beside each other. ninja does not say on which core a step ran; a lane stands for
//! one of the processes that it kept going at once.

/// The lane of each step, from 0; steps are given by start and end in the order of their start.
pub fn assign(steps: impl Iterator<Item = (u64, u64)>) -> Vec<usize> {
    let mut ends: Vec<u64> = Vec::new();
    let lane_of = |(start, end): (u64, u64)| {
        // The lane that has been free for the shortest time: it is ninja's habit to start a step when one ends.
        let free = ends.iter().enumerate().filter(|(_, until)| **until <= start);
        let lane = match free.max_by_key(|(_, until)| **until) {
            Some((lane, _)) => lane,
            None => {
                ends.push(0);
                ends.len() - 1
            }
        };
        ends[lane] = end;
        lane
    };
    steps.map(lane_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_at_the_same_time_get_lanes_of_their_own() {
        let check = |steps: &[(u64, u64)], expected: &[usize]| {
            assert_eq!(assign(steps.iter().copied()), expected, "{steps:?}");
        };
        check(&[], &[]);
        check(&[(0, 5), (5, 9)], &[0, 0]);
        check(&[(0, 5), (1, 9), (5, 6), (6, 7)], &[0, 1, 0, 0]);
        // The third begins when the second ends, so it follows that one.
        check(&[(0, 5), (1, 8), (8, 9)], &[0, 1, 1]);
        check(&[(0, 9), (0, 9), (0, 9)], &[0, 1, 2]);
        check(&[(3, 3), (3, 4)], &[0, 0]);
    }
}
