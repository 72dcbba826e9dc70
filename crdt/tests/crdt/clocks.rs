//! The laws of the vector clock.

use proptest::prelude::*;
use ropewalk_crdt::{Causality, VersionVector};

fn vectors() -> impl Strategy<Value = VersionVector> {
    // Few clients and clocks, so that equal and ordered vectors come up.
    let clocks = prop::collection::vec((0u64..4, 0u64..4), 0..5);
    clocks.prop_map(|clocks| clocks.into_iter().collect())
}

fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(2_000)
    }
}

fn joined(a: &VersionVector, b: &VersionVector) -> VersionVector {
    let mut both = a.clone();
    both.join(b);
    both
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn comparing_is_antisymmetric(a in vectors(), b in vectors()) {
        let turned = match a.compare(&b) {
            Causality::Before => Causality::After,
            Causality::After => Causality::Before,
            same => same,
        };
        prop_assert_eq!(b.compare(&a), turned);
        prop_assert_eq!(a.compare(&b) == Causality::Equal, a == b);
        prop_assert_eq!(a.covers(&b), matches!(a.compare(&b), Causality::After | Causality::Equal));
    }

    #[test]
    fn covering_is_transitive(a in vectors(), b in vectors(), c in vectors()) {
        if a.covers(&b) && b.covers(&c) {
            prop_assert!(a.covers(&c));
        }
    }

    #[test]
    fn join_is_the_least_upper_bound(a in vectors(), b in vectors(), c in vectors()) {
        let both = joined(&a, &b);
        prop_assert!(both.covers(&a) && both.covers(&b));
        if c.covers(&a) && c.covers(&b) {
            prop_assert!(c.covers(&both));
        }
        prop_assert_eq!(&both, &joined(&b, &a));
        prop_assert_eq!(joined(&both, &c), joined(&a, &joined(&b, &c)));
        prop_assert_eq!(joined(&a, &a), a);
    }

    #[test]
    fn what_is_encoded_is_decoded(
        clocks in prop::collection::vec((0u64..(1 << 53), 0u64..(1 << 53)), 0..20)
    ) {
        let vector: VersionVector = clocks.into_iter().collect();
        let bytes = vector.encode();
        prop_assert_eq!(VersionVector::decode(&bytes), Ok(vector));
        for end in 0..bytes.len() {
            prop_assert!(VersionVector::decode(&bytes[..end]).is_err());
        }
        let more: Vec<u8> = bytes.iter().copied().chain([0]).collect();
        prop_assert!(VersionVector::decode(&more).is_err());
    }

    #[test]
    fn bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let _ = VersionVector::decode(&bytes);
    }
}

#[test]
fn a_client_at_zero_is_an_unknown_client() {
    let vector: VersionVector = [(7, 0)].into_iter().collect();
    assert_eq!(vector, VersionVector::new());
    assert_eq!(VersionVector::decode(&[1, 7, 0]), Ok(VersionVector::new()));
}

#[test]
fn advancing_never_goes_back() {
    let mut vector = VersionVector::new();
    vector.advance(1, 5);
    vector.advance(1, 3);
    assert_eq!(vector.get(1), 5);
    assert_eq!(vector.get(2), 0);
}
