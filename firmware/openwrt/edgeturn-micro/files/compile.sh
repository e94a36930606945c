#!/bin/sh
# compile.sh MPY_CROSS SOURCE TARGET OBJECT: make bytecode of edgeturn's part for MicroPython, and take the kernel's
# program along. A module's name in a trace is its path on the device.
set -e

compile() {
	mkdir -p "$target/$1"
	for file in "$1"/*.py; do
		case "$file" in
		edgeturn/seam/cpython* | edgeturn/__main__.py) ;;
		*) "$mpy_cross" -O2 -s "$file" -o "$target/${file%.py}.mpy" "$file" ;;
		esac
	done
}

mpy_cross=$1
target=$3
object=edgeturn/kernel/program/$4
cd "$2"

for folder in edgeturn edgeturn/kernel edgeturn/kernel/direct edgeturn/seam $(find edgeturn/command edgeturn/protocol edgeturn/relay -type d); do
	compile "$folder"
done
mkdir -p "$target/edgeturn/kernel/program"
cp "$object" "$target/$object"
