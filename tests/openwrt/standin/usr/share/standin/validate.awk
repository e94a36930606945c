# Rows NAME:TYPE[:DEFAULT] in the first file, what uci.awk prints in the second.

function take(pattern) {
	if (!match(type, "^" pattern))
		return 0
	token = substr(type, 1, RLENGTH)
	type = substr(type, RLENGTH + 1)
	return 1
}
# Consume one expression of `type`, and say whether a value has it.
function holds(value,   name, all, any, count, one, numbers) {
	if (take("\"[^\"]*\""))
		return value == substr(token, 2, length(token) - 2)
	if (take("[0-9]+"))
		return token + 0
	take("[a-z0-9]+")
	name = token
	all = 1
	any = count = 0
	if (take("\\(")) {
		do {
			one = holds(value)
			numbers[++count] = one
			all = all && one
			any = any || one
		} while (take(","))
		take("\\)")
	}
	if (name == "or") return any
	if (name == "and" || name == "list") return all
	if (name == "range") return value ~ /^-?[0-9]+$/ && value + 0 >= numbers[1] && value + 0 <= numbers[2]
	if (name == "rangelength") return length(value) >= numbers[1] && length(value) <= numbers[2]
	if (name == "minlength") return length(value) >= numbers[1]
	if (name == "uinteger") return value ~ /^[0-9]+$/
	if (name == "bool") return value ~ /^(0|off|false|no|disabled|1|on|true|yes|enabled)$/
	if (name == "hexstring") return value ~ /^([0-9a-fA-F][0-9a-fA-F])*$/
	if (name == "ipaddr") return is_ip4(value) || is_ip6(value)
	if (name == "cidr") return value ~ /^[^\/]+\/[0-9]+$/ && (is_ip4(before(value)) || is_ip6(before(value)))
	if (name == "portrange") return value ~ /^[0-9]+-[0-9]+$/ && is_range(value)
	if (name == "string") return 1
	print "validate_data: there is no type " name > "/dev/stderr"
	return 0
}
function before(value) { return substr(value, 1, index(value, "/") - 1) }
function is_ip4(value) { return value ~ /^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$/ }
function is_ip6(value) { return value ~ /^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*$/ }
function is_range(value,   ends) { split(value, ends, "-"); return ends[1] + 0 <= ends[2] + 0 && ends[2] + 0 <= 65535 }
function checked(name, value) {
	type = types[name]
	if (holds(value))
		return 1
	print section "." name "='" value "' is no " types[name] > "/dev/stderr"
	failed = 1
	return 0
}
function boolean(value) { return value ~ /^(1|on|true|yes|enabled)$/ }
function shown(value) { gsub(/'/, "'\\''", value); return "'" value "'" }

FILENAME != "-" {
	colon = index($0, ":")
	name = substr($0, 1, colon - 1)
	types[name] = substr($0, colon + 1)
	if (match(types[name], /:[^:]*$/)) {
		values[name] = substr(types[name], RSTART + 1)
		types[name] = substr(types[name], 1, RSTART - 1)
	}
	order[++rows] = name
	next
}
{
	split($0, word, "\t")
	if (word[1] == "section" || word[2] != section || !(word[3] in types) || !checked(word[3], word[4]))
		next
	if (word[1] == "list")
		values[word[3]] = values[word[3]] (values[word[3]] == "" ? "" : " ") word[4]
	else
		values[word[3]] = types[word[3]] == "bool" ? boolean(word[4]) : word[4]
}
END {
	for (row = 1; row <= rows; row++)
		print order[row] "=" shown(values[order[row]]) ";"
	exit failed
}
