//! The window of Holdfast. All it does is show the pages and carry what they ask to the use-cases.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what is said to the terminal that started the window")]

mod bridge;
mod place;

use bridge::Desktop;
use holdfast_api::{ApiError, Holdfast, Home, OpenOptions};
use place::Asked;
use std::{env, process::ExitCode, sync::Arc};
use tauri::{Manager as _, RunEvent, async_runtime::block_on};

const HELP: &str = "The window of Holdfast.

Usage: holdfast-app [--home DIR]

  --home DIR   Home folder; else HOLDFAST_HOME, else ~/.local/share/holdfast
  --version    Print the version
  --help       Print this

Without a display use `holdfast` (console) or `holdfast serve` (browser).
";

fn main() -> ExitCode {
    place::speak_a_language();
    match run() {
        Ok(code) => code,
        Err(e) => {
            eprintln!("holdfast-app: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<ExitCode> {
    let home = match place::asked(env::args_os().skip(1), env::var_os("HOLDFAST_HOME")) {
        Ok(Asked::Help) => {
            print!("{HELP}");
            return Ok(ExitCode::SUCCESS);
        }
        Ok(Asked::Version) => {
            println!("holdfast-app {}", env!("CARGO_PKG_VERSION"));
            return Ok(ExitCode::SUCCESS);
        }
        Ok(Asked::Open(Some(home))) => std::path::absolute(home)?,
        Ok(Asked::Open(None)) => Home::default_root()?,
        Err(e) => {
            eprintln!("holdfast-app: {e:#}");
            return Ok(ExitCode::from(2));
        }
    };
    // GTK would panic further down; it says no here.
    if gtk::init().is_err() {
        anyhow::bail!("there is no display here. Use `holdfast` in this terminal, or `holdfast serve` and a browser.");
    }
    let opened = block_on(Holdfast::open(OpenOptions { home: home.clone(), set: Vec::new() }));
    let first = match &opened {
        Ok(holdfast) => {
            let Some(first) = place::first(&home)? else {
                eprintln!(
                    "holdfast-app: a window of {} is open already; it was asked to come to the front",
                    home.display()
                );
                return Ok(ExitCode::SUCCESS);
            };
            block_on(async { holdfast.start_driver() });
            Some(first)
        }
        // The page shows the same; a terminal that started it shall see it too.
        Err(e) => {
            eprintln!("holdfast-app: {e}. {}", e.next);
            None
        }
    };
    show(opened, first)
}

fn show(opened: Result<Arc<Holdfast>, ApiError>, mut first: Option<place::First>) -> anyhow::Result<ExitCode> {
    let app = tauri::Builder::default()
        .manage(Desktop::new(opened))
        .invoke_handler(tauri::generate_handler![bridge::api, bridge::events, bridge::media_access])
        .build(tauri::generate_context!())?;
    let handle = app.handle().clone();
    if let Some(first) = &mut first {
        first.on_call(move || {
            if let Some(window) = handle.get_webview_window("main") {
                // A desktop may refuse to give the focus away; then it marks the window instead.
                let _ = window.unminimize();
                let _ = window.set_focus();
            }
        });
    }
    app.run(move |app, event| {
        if let RunEvent::Exit = event {
            block_on(app.state::<Desktop>().close());
        }
        let _kept_until_the_end = &first;
    });
    Ok(ExitCode::SUCCESS)
}
