#!/bin/sh
# Run by the feed's CI where it looks for the version: the packages without a command have none to print.

case "$1" in
edgeturn-src | edgeturn-kernel) exit 0 ;;
esac
edgeturn --version | grep -Fx "$PKG_VERSION"
