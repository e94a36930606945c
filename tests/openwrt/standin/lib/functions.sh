# A small stand-in for OpenWrt's /lib/functions.sh: reading UCI files into the shell.

N='
'

config_load() {
	local kind section name value
	for section in $CONFIG_SECTIONS; do unset "CONFIG_${section}_TYPE"; done
	CONFIG_SECTIONS=
	while IFS='	' read -r kind section name value; do
		case "$kind" in
		section)
			CONFIG_SECTIONS="$CONFIG_SECTIONS $section"
			eval "CONFIG_${section}_TYPE=\$name"
			;;
		option) eval "CONFIG_${section}_${name}=\$value" ;;
		list) eval "CONFIG_${section}_${name}=\"\${CONFIG_${section}_${name}:+\$CONFIG_${section}_${name} }\$value\"" ;;
		esac
	done <<-END
		$(awk -f /usr/share/standin/uci.awk "/etc/config/$1")
	END
}

config_get() {
	eval "$1=\${CONFIG_${2}_${3}:-\$4}"
}

config_foreach() {
	local function="$1" kind="$2" section found
	shift 2
	for section in $CONFIG_SECTIONS; do
		eval "found=\$CONFIG_${section}_TYPE"
		[ "$found" != "$kind" ] || "$function" "$section" "$@"
	done
}
