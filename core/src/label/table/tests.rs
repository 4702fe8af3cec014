use super::*;

fn table() -> LabelTable {
    let mut table = LabelTable::default();
    for name in ["Liver", "Vessel"] {
        let change = table.adding(table.proposed(Some(name)).unwrap()).unwrap();
        table.apply(&change).unwrap();
    }
    table
}

#[test]
fn every_change_can_be_inverted() {
    let before = table();
    let changes = [
        before.adding(before.proposed(None).unwrap()).unwrap(),
        before.removing(2).unwrap(),
        before.renaming(3, " Portal vein ").unwrap(),
        before.recoloring(1, [1, 2, 3]).unwrap(),
    ];
    for change in changes {
        let mut table = before.clone();
        table.apply(&change).unwrap();
        assert_ne!(table, before);
        table.apply(&change.inverse()).unwrap();
        assert_eq!(table, before, "{change:?}");
    }
}

#[test]
fn the_active_label_is_always_in_the_table() {
    let mut table = table();
    table.look(LookChange::Active(3)).unwrap();
    table.apply(&table.removing(3).unwrap()).unwrap();
    assert_eq!(table.active(), 1);
    assert_eq!(table.look(LookChange::Active(3)), Err(TableError::Unknown { id: 3 }));
    assert!(table.is_consistent());
}

#[test]
fn new_labels_take_the_first_free_number_and_another_colour() {
    let mut table = table();
    table.apply(&table.removing(2).unwrap()).unwrap();
    assert_eq!(table.proposed(None).unwrap().id, 2);
    let colors: std::collections::BTreeSet<_> =
        (1..=14).map(|id| LabelEntry::new(id, String::new()).color).collect();
    assert_eq!(colors.len(), PALETTE.len());
    assert_eq!(LabelEntry::new(u16::MAX, String::new()).id, u16::MAX);
}

#[test]
fn bad_names_opacities_and_stale_changes_are_refused() {
    let mut table = table();
    for name in ["", "  ", "a\tb", &"x".repeat(65)] {
        assert!(matches!(table.renaming(1, name), Err(TableError::Name { .. })), "{name:?}");
    }
    for opacity in [-0.1, 1.1, f32::NAN] {
        assert!(matches!(
            table.look(LookChange::Opacity { id: 1, opacity }),
            Err(TableError::Opacity { .. })
        ));
    }
    let again = TableChange::Added { position: 0, entry: LabelEntry::new(1, "Twice".to_owned()) };
    assert_eq!(table.apply(&again), Err(TableError::Stale { id: 1 }));
    assert_eq!(table.adding(LabelEntry::new(3, "Twice".to_owned())), Err(TableError::InUse { id: 3 }));
    assert_eq!(table.adding_missing(&[0, 1, 9, 12]).len(), 2);
}
