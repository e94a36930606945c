# A small stand-in for OpenWrt's procd.sh and for procd itself.
#
# Rule 1: what a script says of its service is one JSON document, as procd is given it: /var/run/procd/SERVICE.json.
# Rule 2: the service is really started, started again when it ends, and signalled or started anew when what it was
#         started with has changed: instances are folders /var/run/procd/SERVICE/INSTANCE, a file for each parameter.
# Rule 3: events go to /var/run/procd/events. Jail and capabilities are noted and not applied.

PROCD=/var/run/procd

json_init() {
	_json="{"
	_json_stack="{"
	_json_comma=
}
json_dump() { echo "$_json}"; }
_json_text() {
	local text="$1"
	case "$text" in *[\\\"]*) text=$(printf '%s' "$text" | sed 's/[\\"]/\\&/g') ;; esac
	printf '"%s"' "$text"
}
_json_add() {
	_json="$_json$_json_comma"
	case "$_json_stack" in "{"*) _json="$_json$(_json_text "$1"):" ;; esac
	_json="$_json$2"
	_json_comma=,
}
json_add_string() { _json_add "$1" "$(_json_text "$2")"; }
json_add_int() { _json_add "$1" "$2"; }
json_add_boolean() { _json_add "$1" "$([ "$2" = 1 ] && echo true || echo false)"; }
json_add_object() { _json_open "$1" "{"; }
json_add_array() { _json_open "$1" "["; }
json_close_object() { _json_close "}"; }
json_close_array() { _json_close "]"; }
_json_open() {
	_json_add "$1" "$2"
	_json_stack="$2$_json_stack"
	_json_comma=
}
_json_close() {
	_json="$_json$1"
	_json_stack="${_json_stack#?}"
	_json_comma=,
}

procd_open_service() {
	_service=$1
	_jail=
	json_init
	json_add_string name "$1"
	json_add_string script "$2"
	json_add_object instances
	rm -rf "$PROCD/new"
	mkdir -p "$PROCD/new"
}
procd_close_service() {
	json_close_object
	json_add_array triggers
	rm -f "$PROCD/$_service.triggers"
	! type service_triggers > /dev/null 2>&1 || service_triggers
	json_close_array
	json_dump > "$PROCD/$_service.json"
	/sbin/procd-standin update "$_service"
}

procd_open_instance() {
	_instance=${1:-instance1}
	mkdir -p "$PROCD/new/$_instance"
	json_add_object "$_instance"
}
procd_close_instance() {
	[ -z "$_jail" ] || _procd_write_jail
	_jail=
	json_close_object
}
procd_set_param() {
	local parameter="$1"
	shift
	printf '%s\n' "$@" > "$PROCD/new/$_instance/$parameter"
	case "$parameter" in
	command | respawn | file) _procd_array "$parameter" "$@" ;;
	env | limits) _procd_table "$parameter" "$@" ;;
	reload_signal) json_add_int "$parameter" "$(kill -l "$1")" ;;
	stdout | stderr | no_new_privs) json_add_boolean "$parameter" "$1" ;;
	*) json_add_string "$parameter" "$1" ;;
	esac
}
_procd_array() {
	local each
	json_add_array "$1"
	shift
	for each in "$@"; do json_add_string "" "$each"; done
	json_close_array
}
_procd_table() {
	local each
	json_add_object "$1"
	shift
	for each in "$@"; do json_add_string "${each%%=*}" "${each#*=}"; done
	json_close_object
}

procd_add_jail() {
	_jail="$*"
	_mounts=
}
procd_add_jail_mount() { for _path in "$@"; do _mounts="$_mounts $_path=0"; done; }
procd_add_jail_mount_rw() { for _path in "$@"; do _mounts="$_mounts $_path=1"; done; }
# shellcheck disable=SC2086
_procd_write_jail() {
	local each
	json_add_object jail
	json_add_string name "${_jail%% *}"
	for each in ${_jail#* }; do json_add_boolean "$each" 1; done
	_procd_table mount $_mounts
	json_close_object
}

procd_open_data() { json_add_object data; }
procd_close_data() { json_close_object; }
procd_add_mdns_service() {
	json_add_object "${1}_$3"
	json_add_string service "_$1._$2.local"
	json_add_int port "$3"
	json_close_object
}

_procd_trigger() {
	echo "$*" >> "$PROCD/$_service.triggers"
	_procd_array "" "$@"
}
procd_add_reload_trigger() { for _package in "$@"; do _procd_trigger config.change "$_package" "/etc/init.d/$name" reload; done; }
procd_add_raw_trigger() {
	local event="$1"
	shift 2
	_procd_trigger "$event" "" "$@"
}
procd_add_validation() {
	json_close_array
	json_add_array "validate.$1"
	"$@"
	json_close_array
	json_add_array more
}
procd_set_config_changed() { echo "config.change $1" >> "$PROCD/events"; }

procd_kill() { /sbin/procd-standin stop "$1"; }
procd_running() { /sbin/procd-standin running "$1"; }
procd_send_signal() { /sbin/procd-standin signal "$1" "$3"; }

uci_validate_section() {
	local result error package="$1" kind="$2" section="$3"
	shift 3
	result=$(/sbin/validate_data "$package" "$kind" "$section" "$@" 2> /dev/null)
	error=$?
	eval "$result"
	[ "$error" = 0 ] || /sbin/validate_data "$package" "$kind" "$section" "$@" > /dev/null
	return "$error"
}
uci_load_validate() {
	local _package="$1" _kind="$2" _section="$3" _function="$4" _option _result
	shift 4
	for _option in "$@"; do eval "local ${_option%%:*}"; done
	uci_validate_section "$_package" "$_kind" "$_section" "$@"
	_result=$?
	[ -n "$_function" ] || return $_result
	"$_function" "$_section" "$_result"
}
