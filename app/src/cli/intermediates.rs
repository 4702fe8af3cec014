//! Everything between a click and its mask, as files.

use std::path::Path;

use hilum_core::geometry::Grid;
use hilum_core::io::{nifti, replace_file};
use hilum_core::volume::{ImageMeta, Volume, Voxels};
use hilum_models::infer::Intermediates;
use hilum_models::inspect::map_grid;
use serde_json::json;

use std::io::Write as _;

/// Writes the windows, cue, probabilities and attention maps as NIfTI and the axes as JSON into a folder, which
/// is made if it is not there. All lie in the patient where they belong.
pub fn write(folder: &Path, between: &Intermediates) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    let images: [(&str, &Grid, &[f32]); 5] = [
        ("1_window", &between.window, &between.window_values),
        ("2_cue", &between.window, &between.cue),
        ("3_coarse", &between.window, &between.coarse),
        ("4_cube", &between.cube, &between.cube_values),
        ("5_fine", &between.cube, &between.fine),
    ];
    for (name, grid, values) in images {
        save(folder, name, *grid, values)?;
    }
    for (name, [nz, ny, nx], values) in &between.maps {
        let safe: String = name.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
        let grid = map_grid(&between.cube, [*nz, *ny, *nx])?;
        // A map may carry channels: each is an image of its own.
        let count = grid.voxel_count();
        for (channel, values) in values.chunks_exact(count).enumerate() {
            let number =
                if values.len() == count && channel == 0 { String::new() } else { format!("_{channel}") };
            save(folder, &format!("6_map_{safe}{number}"), grid, values)?;
        }
    }
    let axes = between.axes.as_ref().map(|axes| {
        json!({
            "centroid_mm": [axes.centroid.x, axes.centroid.y, axes.centroid.z],
            "lengths_mm": axes.lengths_mm,
        })
    });
    let text = serde_json::to_string_pretty(&json!({ "axes": axes, "cube_mm": between.cube.extent_mm() }))?;
    replace_file(&folder.join("axes.json"), |out| out.write_all(text.as_bytes()))?;
    Ok(())
}

fn save(folder: &Path, name: &str, grid: Grid, values: &[f32]) -> anyhow::Result<()> {
    let meta = ImageMeta { title: name.to_owned(), has_physical_spacing: true, ..ImageMeta::default() };
    let volume = Volume::new(grid, Voxels::F32(values.to_vec()), meta)?;
    Ok(nifti::save_volume(&folder.join(format!("{name}.nii.gz")), &volume)?)
}
