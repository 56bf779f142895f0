# Sourced by the scripts beside it. Where things are kept, and what the machine must have.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
ROOT=$PWD

# Builds are kept outside the checkout, so that a fresh clone does not build its dependencies again. Where that folder can't be
# made, everything goes into the checkout.
CACHE=${HOLDFAST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/holdfast}
mkdir -p "$CACHE" 2>/dev/null || { CACHE=$ROOT/target/cache; mkdir -p "$CACHE"; }
export HOLDFAST_CACHE=$CACHE
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$CACHE/target}
export PATH="$CACHE/tools/bin:$CACHE/venv/bin:${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-never}

BUILD_PACKAGES="build-essential pkg-config cmake libwebkit2gtk-4.1-dev libgtk-3-dev librsvg2-dev libxdo-dev libasound2-dev libpulse-dev"
RUN_PACKAGES="ffmpeg espeak-ng pulseaudio gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-libav gstreamer1.0-pulseaudio fonts-dejavu-core libasound2-plugins at-spi2-core"
TEST_PACKAGES="pulseaudio-utils xvfb xauth webkit2gtk-driver chromium qpdf poppler-utils openssl dbus gnome-keyring python3-venv util-linux"

say() { printf '\n== %s\n' "$*" >&2; }

# Installs those of the named Debian packages that are missing.
need_packages() {
  local missing=()
  for p in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$p" 2>/dev/null)" = "ii " ] || missing+=("$p")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  say "installing Debian packages: ${missing[*]}"
  local sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# Installs a cargo binary of a major version into the cache.
need_cargo_tool() { # name version
  command -v "$1" >/dev/null && return 0
  say "building $1 (once)"
  CARGO_TARGET_DIR=$CACHE/tools/build cargo install --quiet --locked --debug --root "$CACHE/tools" --version "$2" "$1"
  rm -rf "$CACHE/tools/build"
}

build_ui() {
  say "user interface"
  (cd ui && { [ -f node_modules/.package-lock.json ] && [ node_modules/.package-lock.json -nt package-lock.json ] \
    || npm ci --no-audit --no-fund --loglevel=error; } && npm run --silent build)
}
