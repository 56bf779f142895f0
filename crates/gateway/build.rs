//! Puts the built pages (`ui/dist`) into the executable. Where they were not built, a page that says how stands in for them, so
//! that the console needs no Node to build; `HOLDFAST_REQUIRE_UI=1` (packaging) makes that an error.

use std::{
    env, fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

const PLACEHOLDER: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Holdfast</title>\
<h1>The pages were not built</h1><p>This executable was built without its pages. Build them with \
<code>npm --prefix ui ci</code> and <code>npm --prefix ui run build</code>, then build Holdfast again. \
The commands of the console work all the same.</p></html>";

fn main() -> io::Result<()> {
    let dist = Path::new("../../ui/dist");
    println!("cargo::rerun-if-env-changed=HOLDFAST_REQUIRE_UI");
    println!("cargo::rerun-if-changed={}", dist.display());
    let mut files = Vec::new();
    if dist.join("index.html").is_file() {
        collect(dist, &mut files)?;
        files.sort();
    } else if env::var_os("HOLDFAST_REQUIRE_UI").is_some_and(|v| v == "1") {
        return Err(io::Error::other(
            "ui/dist is missing: run `npm --prefix ui ci && npm --prefix ui run build` first",
        ));
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("no OUT_DIR"))?);
    let mut table = fs::File::create(out.join("assets.rs"))?;
    writeln!(table, "const FILES: &[(&str, &[u8])] = &[")?;
    if files.is_empty() {
        writeln!(table, "    (\"/index.html\", {PLACEHOLDER:?}.as_bytes()),")?;
    }
    for (n, file) in files.iter().enumerate() {
        println!("cargo::rerun-if-changed={}", file.display());
        let name = file.strip_prefix(dist).map_err(io::Error::other)?;
        // Its own copy: the pages may be built anew while this crate is.
        let copy = out.join(format!("page-{n}"));
        fs::copy(file, &copy)?;
        writeln!(table, "    (\"/{}\", include_bytes!({copy:?})),", name.display())?;
    }
    writeln!(table, "];")
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
