//! Prepares the window's bundle: its pages, its icons and the rights of its window.

use std::path::Path;

fn main() {
    // Said here in a sentence, rather than by a macro that names a path.
    if !Path::new("ui/dist/index.html").is_file() {
        println!(
            "cargo::error=the window's pages are missing: run `npm --prefix ui ci && npm --prefix ui run build` first"
        );
        return;
    }
    let commands = tauri_build::AppManifest::new().commands(&["api", "events", "media_access"]);
    if let Err(e) = tauri_build::try_build(tauri_build::Attributes::new().app_manifest(commands)) {
        println!("cargo::error={e:#}");
    }
}
