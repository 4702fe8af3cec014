//! The window drawn by a graphics device and by the processor: the same pixels.

use egui::epaint::textures::TexturesDelta;
use egui_kittest::TestRenderer;
use hilum_canvas::Canvas;

use super::*;

/// Draws the window of a test with the processor.
#[derive(Default)]
struct ByProcessor {
    canvas: Canvas,
    waiting: TexturesDelta,
}

impl TestRenderer for ByProcessor {
    fn handle_delta(&mut self, delta: &mut TexturesDelta) {
        self.waiting.append(std::mem::take(delta));
    }

    fn render(&mut self, ctx: &egui::Context, output: &egui::FullOutput) -> Result<image::RgbaImage, String> {
        let scale = ctx.pixels_per_point();
        let size = ctx.content_rect().size() * scale;
        let size = [size.x.round() as usize, size.y.round() as usize];
        let jobs = ctx.tessellate(output.shapes.clone(), scale);
        self.canvas.paint(size, &jobs, &mut self.waiting, scale, egui::Color32::BLACK);
        let bytes = self.canvas.image().pixels.iter().flat_map(|pixel| pixel.to_array()).collect();
        image::RgbaImage::from_raw(size[0] as u32, size[1] as u32, bytes).ok_or_else(|| "size".to_owned())
    }
}

/// The window at work: planes with a label and a proposal, the 3-D view, texts, a dialog.
fn pictures(renderer: impl TestRenderer + 'static) -> Vec<image::RgbaImage> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut window = Window::drawn(renderer, folder.path());
    window.press(Modifiers::NONE, Key::F4);
    let mut settings = window.state().settings.clone();
    (settings.brush_radius_mm, settings.ball) = (4.0, true);
    window.harness.state().send(Action::Settings(Box::new(settings)));
    window.harness.run_ok();
    window.press(Modifiers::NONE, Key::B);
    window.press(CTRL, Key::Enter);
    window.until("the surface is there", |s| {
        let scene = &s.session.as_ref().expect("an image is open").scene;
        scene.triangles(1) > 50 && !scene.is_behind()
    });
    window.settle();
    let mut pictures = vec![window.harness.render().expect("it draws")];
    window.press(Modifiers::NONE, Key::F1);
    pictures.push(window.harness.render().expect("it draws"));
    pictures
}

#[test]
fn the_processor_draws_what_a_graphics_device_draws() {
    let Some(renderer) = device_renderer() else { return };
    let (by_device, by_processor) = (pictures(renderer), pictures(ByProcessor::default()));
    for (number, (a, b)) in by_device.iter().zip(&by_processor).enumerate() {
        assert_eq!(a.dimensions(), b.dimensions());
        // The status bar names who draws, and the device's line of the image is longer.
        let rows = a.height() - 40;
        let (mut far, mut sum) = (0u64, 0u64);
        for (x, y, pixel) in a.enumerate_pixels().filter(|(_, y, _)| *y < rows) {
            let most = pixel.0.iter().zip(b.get_pixel(x, y).0).map(|(a, b)| a.abs_diff(b)).max();
            let most = u64::from(most.unwrap_or(0));
            sum += most;
            far += u64::from(most > 40);
        }
        let count = f64::from(a.width()) * f64::from(rows);
        let (far, mean) = (far as f64 / count, sum as f64 / count);
        assert!(far < 0.004, "picture {number}: {:.2} % of the pixels differ widely", far * 100.0);
        assert!(mean < 0.6, "picture {number}: the mean difference is {mean:.2}");
    }
}
