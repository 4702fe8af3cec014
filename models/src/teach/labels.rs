//! Whether the labels of a case are those of a model: a case may have been drawn for another one.

use std::collections::BTreeMap;

use hilum_core::label::{LabelEntry, LabelTable, is_note};

use crate::catalog::{DenseTask, Region, Task};

/// The model's value for every value that a case uses, by the names that the case has for them.
///
/// A label is the region of the same name, whatever its number. One that nobody named ("Label 2") is the region of its
/// number; where the model knows a single region, that. Networks that answer clicks take every label as an object.
///
/// # Errors
/// In words, what a person should do: a label that is no region of the model, or a note that is not decided.
pub fn values_for(task: &Task, used: &[u16], table: &LabelTable) -> Result<BTreeMap<u16, u16>, String> {
    let name_of = |value: u16| {
        table.get(value).map_or_else(|| format!("Label {value}"), |entry: &LabelEntry| entry.name.clone())
    };
    let value_of = |value: u16| -> Result<u16, String> {
        let name = name_of(value);
        if is_note(&name) {
            return Err(format!(
                "its label \"{name}\" is a note that nobody has decided on; give its voxels to a label, or clear them"
            ));
        }
        match task {
            Task::Dense(task) => region_of(task, value, &name),
            Task::Click(_) | Task::Unassigned => Ok(value),
        }
    };
    used.iter().map(|value| Ok((*value, value_of(*value)?))).collect()
}

fn region_of(task: &DenseTask, value: u16, name: &str) -> Result<u16, String> {
    let same = |region: &&Region| region.name.trim().to_lowercase() == name.trim().to_lowercase();
    let by_value = |region: &&Region| region.label == value;
    let is_nameless = name == format!("Label {value}");
    // What a new image starts with, where no model says otherwise.
    let is_first = name == LabelTable::default().entries()[0].name;
    let found = match &task.regions[..] {
        [only] if is_nameless || is_first => Some(only),
        all if is_nameless => all.iter().find(by_value),
        all => all.iter().find(same),
    };
    let names = || task.regions.iter().map(|region| region.name.as_str()).collect::<Vec<_>>().join(", ");
    found.map(|region| region.label).ok_or_else(|| {
        format!(
            "its label {value} \"{name}\" is none of the model's regions ({}); rename it, clear it, or teach the model \
             that the case was drawn for",
            names()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn task(regions: &[(&str, u16)]) -> Task {
        let regions: Vec<_> =
            regions.iter().map(|(name, label)| json!({"name": name, "label": label})).collect();
        serde_json::from_value(json!({
            "kind": "dense", "input": {"color": false, "normalize": {"kind": "image"}, "scale": {"kind": "keep"}},
            "regions": regions, "tile": [1, 4, 4]
        }))
        .unwrap()
    }

    fn table(names: &[&str]) -> LabelTable {
        LabelTable::new((1..).zip(names).map(|(id, name)| LabelEntry::new(id, *name)).collect()).unwrap()
    }

    #[test]
    fn labels_go_by_their_names() {
        let model = task(&[("disc", 1), ("cup", 2)]);
        let swapped = values_for(&model, &[1, 2], &table(&["Cup", "disc "])).unwrap();
        assert_eq!(swapped, BTreeMap::from([(1, 2), (2, 1)]));
        assert_eq!(values_for(&model, &[2], &table(&["Label 1", "Label 2"])).unwrap()[&2], 2);
        // Drawn for another model: the numbers would fit, the names do not.
        let other = values_for(&model, &[1, 2], &table(&["anterior", "posterior"])).unwrap_err();
        assert!(other.contains("\"anterior\"") && other.contains("disc, cup"), "{other}");
        let single = task(&[("vessels", 1)]);
        assert_eq!(values_for(&single, &[3], &table(&["a", "b", "Label 3"])).unwrap()[&3], 1);
        assert!(values_for(&single, &[1], &table(&["disc"])).is_err());
    }

    #[test]
    fn what_is_not_decided_is_never_taught() {
        let click = serde_json::from_value(json!({
            "kind": "click", "channels": ["image", "positive"], "size": 16,
            "stage": {"kind": "fine", "margin": 1.5, "min_side_mm": 20.0}
        }))
        .unwrap();
        let names = table(&["Lesion", "Second", hilum_core::label::DIFFERENCES]);
        for task in [click, task(&[("lesion", 1)]), task(&[("lesion", 1), ("second", 2)])] {
            assert_eq!(values_for(&task, &[1], &names).unwrap()[&1], 1);
            let refused = values_for(&task, &[1, 3], &names).unwrap_err();
            assert!(refused.contains("nobody has decided"), "{refused}");
        }
    }
}
