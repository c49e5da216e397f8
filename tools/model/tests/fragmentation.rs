// SPDX-License-Identifier: GPL-2.0

//! Properties of the fragmentation indices: they are those of the list of free blocks, in every
//! order.

use oxmm_model::algo::fragmentation::{
    fragmentation_index,
    unusable_index, //
};
use oxmm_model::algo::units::Order;
use oxmm_model::expect;
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #[test]
    fn indices_follow_the_list_of_blocks(nr_free in vec(0..200_usize, 0..=Order::COUNT)) {
        expect::indices_follow_the_list(&nr_free);
    }

    #[test]
    fn few_blocks_give_the_list_of_blocks(nr_free in vec(0..2_usize, 0..=Order::COUNT)) {
        expect::indices_follow_the_list(&nr_free);
    }

    #[test]
    fn unusable_share_grows_with_the_order(nr_free in vec(any::<usize>(), 0..=Order::COUNT)) {
        let indices = Order::up_to(Order::MAX).map(|order| unusable_index(&nr_free, order));
        prop_assert!(indices.is_sorted());
    }

    #[test]
    fn any_counts_stay_in_range(nr_free in vec(any::<usize>(), 0..30)) {
        for order in Order::up_to(Order::MAX) {
            let unusable = unusable_index(&nr_free, order).thousandths();
            prop_assert!((0..=1000).contains(&unusable));
            let fragmentation = fragmentation_index(&nr_free, order).thousandths();
            prop_assert!((-1000..=1000).contains(&fragmentation));
        }
    }
}
