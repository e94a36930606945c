#!/bin/sh
# Run by the feed's CI on the installed package: $1 is its name, $2 its version.

case "$1" in
edgeturn-src | edgeturn-kernel) exit 0 ;;
esac

file=$(mktemp)
trap 'rm -f "$file"' EXIT

set -e
edgeturn --version | grep -Fx "$2"
edgeturn --help | grep -q status
cat > "$file" << END
config relay 'main'
	list secret 'one-shared-secret'
	option max_allocations '16'
END
edgeturn config check -c "$file"
edgeturn plan -c "$file" | grep -q allocations
edgeturn credentials -c "$file" | grep -q iceServers
echo "	option no_such_option '1'" >> "$file"
! edgeturn config check -c "$file"
