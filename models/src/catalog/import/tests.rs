//! Import into a folder of models, and what is refused.

use super::*;
use crate::catalog::Catalog;
use crate::checkpoint::StoredTensor;
use serde_json::json;

fn request<'a>(file: &'a Path, id: &'a str) -> Import<'a> {
    let config = json!({"in_channels": 2, "features": [4, 6]});
    Import { file, arch: "lesion_net", config, axes: AxisOrder::Zyx, id, licence: None, replace: false }
}

fn weights_with_prefix(folder: &Path, prefix: &str) -> PathBuf {
    let config = json!({"in_channels": 2, "features": [4, 6]});
    let network = AnyNetwork::seeded("lesion_net", config, 3, &Device::flex()).unwrap();
    let mut named = StateDict::default();
    for (name, tensor) in network.weights(FloatFormat::F32).unwrap().iter() {
        named.insert(format!("{prefix}{name}"), tensor.clone());
    }
    let path = folder.join("w.safetensors");
    named.write(&path, &[]).unwrap();
    path
}

#[test]
fn imported_weights_lose_their_prefix_and_appear_in_the_catalog() {
    let home = tempfile::tempdir().unwrap();
    let models = home.path().join("models");
    let file = weights_with_prefix(home.path(), "module.");
    let imported = import(&request(&file, "mine"), &models, &Device::flex()).unwrap();
    assert_eq!(imported.prefix, "module.");
    assert_eq!(imported.tried_output[1], 1);
    let catalog = Catalog::new(Some(&models)).unwrap();
    let mine = catalog.find("mine").unwrap();
    assert_eq!(mine.load(&Device::flex()).unwrap().parameter_count(), imported.parameters);
    assert!(catalog.fine(Some("mine")).is_err(), "it has no place in the pipeline");
    let again = import(&request(&file, "mine"), &models, &Device::flex()).unwrap_err();
    assert!(again.to_string().contains("already"), "{again}");
    let replaced = Import { replace: true, ..request(&file, "mine") };
    import(&replaced, &models, &Device::flex()).unwrap();
    assert_eq!(std::fs::read_dir(&models).unwrap().count(), 1, "no draft is left");
}

#[test]
fn what_does_not_fit_is_named_and_nothing_is_written() {
    let home = tempfile::tempdir().unwrap();
    let models = home.path().join("models");
    let file = weights_with_prefix(home.path(), "");
    let other = Import { config: json!({"in_channels": 3, "features": [4, 6]}), ..request(&file, "mine") };
    let text = import(&other, &models, &Device::flex()).unwrap_err().to_string();
    assert!(text.contains("encoder.0.0.conv.weight"), "{text}");
    for id in ["", "a/b", "..", "ä"] {
        assert!(matches!(
            import(&request(&file, id), &models, &Device::flex()),
            Err(ImportError::Identity(_))
        ));
    }
    assert!(!models.exists());
}

#[test]
fn weights_that_yield_no_numbers_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let file = weights_with_prefix(home.path(), "");
    let mut broken = StateDict::read(&file).unwrap();
    let shape = broken.get("heads.0.weight").unwrap().shape().to_vec();
    let values = vec![f32::NAN; shape.iter().product()];
    broken.insert("heads.0.weight", StoredTensor::from_f32(&values, shape, FloatFormat::F32));
    broken.write(&file, &[]).unwrap();
    let error = import(&request(&file, "mine"), home.path(), &Device::flex()).unwrap_err();
    assert!(matches!(error, ImportError::SelfTest { .. }), "{error}");
}

/// The weights of a network for `[x, y, z]` arrays, as another program would save them.
fn xyz_checkpoint(folder: &Path) -> (PathBuf, AnyNetwork, Value) {
    let config = json!({"feature_scale": 16, "n_classes": 3, "in_channels": 1, "attention_dsample": [2, 2, 1],
                        "slice_axis": 2});
    let device = Device::flex();
    let network = AnyNetwork::seeded("attention_unet_grid_3d", config.clone(), 3, &device).unwrap();
    let path = folder.join("xyz.safetensors");
    network.write_reference_checkpoint(&path).unwrap();
    (path, network, config)
}

#[test]
fn weights_for_xyz_arrays_answer_on_zyx_arrays_and_leave_as_they_came() {
    let device = Device::flex();
    let home = tempfile::tempdir().unwrap();
    let models = home.path().join("models");
    let (file, theirs, config) = xyz_checkpoint(home.path());
    let request =
        Import { arch: "attention_unet_grid_3d", config, axes: AxisOrder::Xyz, ..request(&file, "turned") };
    let imported = import(&request, &models, &device).unwrap();
    assert_eq!(imported.card.axes, AxisOrder::Xyz);
    assert_eq!(imported.card.config["slice_axis"], 0);
    assert_eq!(imported.card.config["attention_dsample"], json!([1, 2, 2]));
    let catalog = Catalog::new(Some(&models)).unwrap();
    let model = catalog.find("turned").unwrap();
    let x = Tensor::<5>::random([1, 1, 3, 16, 32], burn::tensor::Distribution::Default, &device);
    let ours = model.load(&device).unwrap().forward(x.clone()).unwrap();
    let expected = theirs.forward(x.swap_dims(2, 4)).unwrap().swap_dims(2, 4);
    let far = (ours - expected.clone()).abs().max().into_scalar::<f32>();
    assert!(far <= 1e-4 * expected.abs().max().into_scalar::<f32>(), "{far}");
    let out = home.path().join("out.safetensors");
    model.load_as_trained(&device).unwrap().write_reference_checkpoint(&out).unwrap();
    assert_eq!(std::fs::read(out).unwrap(), std::fs::read(file).unwrap());
}

#[test]
fn planar_networks_cannot_be_turned() {
    let home = tempfile::tempdir().unwrap();
    let (file, ..) = xyz_checkpoint(home.path());
    let request =
        Import { arch: "unet_2d", config: Value::Null, axes: AxisOrder::Xyz, ..request(&file, "flat") };
    let error = import(&request, home.path(), &Device::flex()).unwrap_err().to_string();
    assert!(error.contains("planar images"), "{error}");
}

/// Cards of earlier versions do not speak of axes.
#[test]
fn a_card_without_an_order_of_axes_is_of_zyx_arrays() {
    let home = tempfile::tempdir().unwrap();
    let file = weights_with_prefix(home.path(), "");
    import(&request(&file, "mine"), home.path(), &Device::flex()).unwrap();
    let card = std::fs::read_to_string(home.path().join("mine/card.json")).unwrap();
    assert!(!card.contains("axes"), "{card}");
    assert_eq!(Catalog::new(Some(home.path())).unwrap().find("mine").unwrap().card.axes, AxisOrder::Zyx);
}
