//! Where a version looked while it learned: the maps that were kept, for a slider over the steps.

use std::path::Path;

use hilum_models::inspect::FieldMap;
use hilum_models::teach::{Version, Versions};
use hilum_models::train::{KeptMap, kept_maps};

/// Whose map of which layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapChoice {
    /// Number of the version.
    pub version: u32,
    /// The case; the first one without.
    pub case: Option<String>,
    /// The layer; the first one without.
    pub layer: Option<String>,
}

/// The maps of one case and one layer, at every step at which they were kept.
#[derive(Clone, Debug, PartialEq)]
pub struct MapsOverSteps {
    /// Number of the version.
    pub version: u32,
    /// Its identity.
    pub id: String,
    /// All cases with maps.
    pub cases: Vec<String>,
    /// All layers.
    pub layers: Vec<String>,
    /// The case.
    pub case: String,
    /// The layer.
    pub layer: String,
    /// Steps done, with the map.
    pub steps: Vec<(usize, FieldMap)>,
}

/// Whether a version has kept maps.
pub(super) fn has_maps(version: &Version) -> bool {
    version.folder.join("attention/index.json").is_file()
}

/// Reads the maps of one case and one layer.
///
/// # Errors
/// For people: maps that are missing or damaged, or that have no place in the image.
pub(super) fn read_maps(versions: &Versions, choice: &MapChoice) -> Result<MapsOverSteps, String> {
    let version = versions.find(choice.version).map_err(|error| error.to_string())?;
    let all = kept_maps(&version.folder).map_err(|error| error.to_string())?;
    let names = |of: fn(&KeptMap) -> &String| {
        let mut names: Vec<String> = Vec::new();
        all.iter().map(of).for_each(|name| {
            if !names.contains(name) {
                names.push(name.clone());
            }
        });
        names
    };
    let (cases, layers) = (names(|map| &map.case), names(|map| &map.layer));
    let pick = |wanted: &Option<String>, known: &[String]| {
        let wanted = wanted.as_ref().filter(|name| known.contains(name));
        wanted.or(known.first()).cloned().ok_or("no attention maps were kept of this version")
    };
    let (case, layer) = (pick(&choice.case, &cases)?, pick(&choice.layer, &layers)?);
    let wanted = all.iter().filter(|map| map.case == case && map.layer == layer);
    let steps = wanted.map(|map| Ok((map.step, placed(map, &version.folder)?)));
    let steps: Vec<_> = steps.collect::<Result<_, String>>()?;
    Ok(MapsOverSteps { version: choice.version, id: version.record.id, cases, layers, case, layer, steps })
}

fn placed(map: &KeptMap, folder: &Path) -> Result<FieldMap, String> {
    let values = map.read(folder).map_err(|error| error.to_string())?;
    let grid = map.grid.ok_or("the maps of this version have no place in the image; teach again")?;
    if grid.voxel_count() != values.len() {
        return Err(format!("the attention map does not fill its place: {}", map.file.display()));
    }
    Ok(FieldMap {
        name: format!("{} after step {}", map.layer, map.step),
        layer: map.layer.clone(),
        level: map.level,
        meaning: map.meaning,
        channel: String::new(),
        grid,
        values,
        query: None,
    })
}
