use super::*;
use crate::testing::{broken_engine, disc_labeller, oblique_volume};
use hilum_core::prompt::Click;
use std::time::Duration;

#[test]
fn a_panic_in_the_network_is_an_answer_and_the_next_request_is_served() {
    let (inbox, events) = Inbox::new(egui::Context::default());
    let mut worker = InferWorker::new(broken_engine(), disc_labeller(), None, inbox);
    let ask = |voxel| InferRequest::Segment {
        request: 7,
        engine: EngineChoice::default(),
        what: ClickRequest {
            volume: Arc::new(oblique_volume()),
            clicks: vec![Click { voxel, positive: true }],
            previous: None,
        },
        cancel: CancelToken::default(),
    };
    let answer = || loop {
        match events.recv_timeout(Duration::from_secs(120)).unwrap() {
            Event::Infer(InferEvent::Segmented { request: 7, result }) => return result,
            _ => continue,
        }
    };
    worker.handle(ask([0, 0, 0]));
    let text = answer().unwrap_err().unwrap();
    assert!(text.contains("the test wants a panic"), "{text}");
    worker.handle(ask([3, 3, 3]));
    assert!(answer().is_ok());
}

#[test]
fn a_request_cancelled_while_it_waits_is_not_run() {
    let (inbox, _events) = Inbox::new(egui::Context::default());
    let mut worker = InferWorker::new(broken_engine(), disc_labeller(), None, inbox);
    let cancel = CancelToken::default();
    cancel.cancel();
    let what = ClickRequest { volume: Arc::new(oblique_volume()), clicks: Vec::new(), previous: None };
    assert!(matches!(worker.segment(1, EngineChoice::default(), &what, cancel), Err(None)));
    assert!(worker.loaded.is_none());
}

#[test]
fn the_models_of_the_program_are_listed_and_a_broken_card_is_an_answer() {
    let (inbox, events) = Inbox::new(egui::Context::default());
    let folder = tempfile::tempdir().unwrap();
    let mut worker =
        InferWorker::new(broken_engine(), disc_labeller(), Some(folder.path().to_owned()), inbox);
    worker.handle(InferRequest::ListModels);
    let Ok(Event::Infer(InferEvent::Models(Ok(models)))) = events.try_recv() else { panic!("no models") };
    assert!(models.iter().all(|model| model.is_embedded));
    std::fs::create_dir(folder.path().join("bad")).unwrap();
    std::fs::write(folder.path().join("bad/card.json"), "{").unwrap();
    worker.handle(InferRequest::ListModels);
    let Ok(Event::Infer(InferEvent::Models(Ok(others)))) = events.try_recv() else { panic!("no models") };
    assert_eq!(others.len(), models.len());
    let Ok(Event::Infer(InferEvent::BrokenModel(why))) = events.try_recv() else { panic!("no error") };
    assert!(why.contains("card"), "{why}");
}
