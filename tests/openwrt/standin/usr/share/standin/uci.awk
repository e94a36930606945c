# Reads a UCI file; prints, with tabs between: section NAME TYPE · option SECTION NAME VALUE · list SECTION NAME VALUE.
# A section without a name is called cfg and its number.

function word(   at, character, quote, found) {
	sub(/^[ \t]+/, "", rest)
	if (rest == "" || substr(rest, 1, 1) == "#")
		return 0
	taken = ""
	quote = ""
	for (at = 1; at <= length(rest); at++) {
		character = substr(rest, at, 1)
		if (character == "\\" && quote != "'")
			taken = taken substr(rest, ++at, 1)
		else if (character == quote)
			quote = ""
		else if (quote == "" && (character == "'" || character == "\""))
			quote = character
		else if (quote == "" && (character == " " || character == "\t"))
			break
		else
			taken = taken character
	}
	rest = substr(rest, at)
	return 1
}
{
	rest = $0
	count = 0
	while (word())
		words[++count] = taken
	if (count >= 2 && words[1] == "config") {
		section = count > 2 ? words[3] : "cfg" ++anonymous
		print "section\t" section "\t" words[2]
	} else if (count >= 3)
		print words[1] "\t" section "\t" words[2] "\t" words[3]
}
