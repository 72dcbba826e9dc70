//! The set of deleted units, against a set of numbers.

use proptest::prelude::*;
use ropewalk_crdt::DeleteSet;
use std::collections::BTreeSet;

fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(1_000)
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn ranges_are_a_set(
        ranges in prop::collection::vec((0u64..3, 0u32..60, 0u32..9), 0..40)
    ) {
        let mut set = DeleteSet::new();
        let mut model = BTreeSet::new();
        for (client, start, len) in ranges {
            let before = model.len();
            model.extend((start..start + len).map(|clock| (client, clock)));
            let new = set.insert(client, start, start + len);
            prop_assert_eq!(new, (model.len() - before) as u64);
        }
        let all: Vec<_> = set.iter().collect();
        let units = all.iter().flat_map(|&(client, start, end)| {
            (start..end).map(move |clock| (client, clock))
        });
        prop_assert_eq!(units.collect::<BTreeSet<_>>(), model.clone());
        prop_assert_eq!(set.units(), model.len() as u64);
        for pair in all.windows(2) {
            let apart = pair[0].0 != pair[1].0 || pair[0].2 < pair[1].1;
            prop_assert!(apart, "ranges neither touch nor overlap: {:?}", pair);
        }
        let mut again = set.clone();
        again.join(&set);
        prop_assert_eq!(again, set);
    }
}
