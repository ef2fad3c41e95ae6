#!/usr/bin/env bash
# Debian programs that tests and benchmarks drive. Installs what is missing where it may (root and apt-get),
# else says what to install; tests then skip what needs it (with CI=true they fail instead).
set -eu
declare -A package=([chromium]=chromium [dcmdump]=dcmtk [dciodvfy]=dicom3tools [Orthanc]=orthanc [qpdf]=qpdf [pdffonts]=poppler-utils)
missing=()
for program in "${!package[@]}"; do
  command -v "$program" >/dev/null || [ -x "/usr/bin/$program" ] || [ -x "/usr/sbin/$program" ] || missing+=("${package[$program]}")
done
fc-list 2>/dev/null | grep -qi 'noto.*cjk' || missing+=(fonts-noto-cjk)
# The tests' Triton runs models in a Python of its own; Debian's has its shared library in another package.
python=$(dirname "$0")/../../.venv-triton/bin/python
if [ -x "$python" ]; then
  library=$("$python" -c 'import sys; print("libpython%d.%d" % sys.version_info[:2])')
  folder=$("$python" -c 'import sys; print(sys.base_prefix)')/lib
  [ -e "$folder/$library.so.1.0" ] || ldconfig -p | grep -qF "$library.so.1.0" || missing+=("$library")
fi
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
else
  echo "Some tests need ${missing[*]}. Install them with: sudo apt-get install ${missing[*]}"
fi
