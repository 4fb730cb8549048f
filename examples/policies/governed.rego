# Reads governed params in whatever spelling they come: a rule about params.amount alone is passed by Amount, by
# {"payment": {"amount": 9000}} and by "9000".
package vargate.policy.governed

# Invisible, or neither letter nor digit; letters and digits in circles and squares are symbols to Unicode.
padding := `[^\p{L}\p{N}\x{2460}-\x{24FF}\x{1F100}-\x{1F1FF}]|[\x{115F}\x{1160}\x{3164}\x{FFA0}]`

# A name in which nothing is Latin, such as a Cyrillic word, resembles none of ours.
latin := `[a-z0-9\x{2100}-\x{214F}\x{2460}-\x{24FF}\x{FF10}-\x{FF5A}\x{1D400}-\x{1D7FF}\x{1F100}-\x{1F1FF}]`

skeleton(text) := regex.replace(lower(text), padding, "")

# Whether a text reads like a name: without case, punctuation, blanks and invisible characters, and with any letter that is
# not ASCII in the place of any. A name without letters and digits is only like itself.
reads_like(text, name) if is_like(text, skeleton(text), name, skeleton(name))

is_like(text, "", text, "")

is_like(_, letters, _, letters) if letters != ""

is_like(_, letters, _, wanted) if {
	letters != wanted
	count(letters) == count(wanted)
	regex.match(latin, letters)
	pattern := regex.replace(letters, `[^\x00-\x7f]`, ".")
	pattern != letters
	regex.match(concat("", ["^", pattern, "$"]), wanted)
}

# A key may be a path that stands for nested objects: payment.amount, /payment/amount, payment[amount].
parts(key) := {part: skeleton(part) | some part in array.concat([key], regex.split(`[./\[\]]+`, key))}

is_key_of(key, name) if {
	is_named(parts(key), name, skeleton(name))
}

# Every key in the params at any depth, and what stands under it.
entries := [[parts(key), value] |
	walk(input.action.params, [_, node])
	is_object(node)
	some key, value in node
]

# The values under every key of that name.
values(name) := [value |
	wanted := skeleton(name)
	some [names, value] in entries
	is_named(names, name, wanted)
]

is_named(names, name, wanted) if {
	some part, letters in names
	is_like(part, letters, name, wanted)
}

numbers(name) := [value | some value in values(name); is_number(value)]

# The keys within the values of a field, at any depth. All are collected in one walk: a caller who nests the field in itself
# must not make it slow, since an engine that is too late has no decision (`fail_open` then allows the call).
keys(name) := {key |
	fields := spellings(name)
	walk(input.action.params, [path, node])
	is_object(node)
	is_under(path, fields)
	some key, _ in node
}

# The keys of that name, as they are spelled.
spellings(name) := {key |
	wanted := skeleton(name)
	walk(input.action.params, [_, node])
	is_object(node)
	some key, _ in node
	is_named(parts(key), name, wanted)
}

is_under(path, fields) if {
	some part in path
	part in fields
}

has_method(methods) if {
	some method in methods
	reads_like(input.action.method, method)
}

# The fields with a value that no rule can compare. `shapes` is an object from field to shape.
unexpected(shapes) := {field |
	some field, shape in shapes
	some value in values(field)
	not has_shape(value, shape)
}

# From 0 to 2^53 - 1. In Rego every text is above every number, and null is how NaN and infinity arrive.
has_shape(value, "quantity") if {
	is_number(value)
	value >= 0
	value <= 9007199254740991
}

has_shape(value, "object") if type_name(value) in {"object", "null"}

has_shape(value, "recipients") if {
	every text in texts(value) {
		is_address_text(text)
	}
}

# A text of addresses, or a flat list of them; null is no recipient.
texts(value) := value if is_array(value)

else := [] if value == null

else := [value]

# Blanks around a dot or an @ mean nothing to a mail server (RFC 5322, 4.4).
words(text) := [word |
	single := regex.replace(text, `[\t\n\v\f\r ]+`, " ")
	tight := regex.replace(single, ` ?([.@]) ?`, "$1")
	some word in regex.split(`[ ,;:<>"]+`, tight)
	word != ""
]

address := `^[A-Za-z0-9.#$&'*+/=?^_{|}~-]+@([A-Za-z0-9-]+\.)+[A-Za-z][A-Za-z0-9-]*\.?$`

is_address_text(text) if {
	is_string(text)
	count(words(text)) == 0
}

is_address_text(text) if {
	is_string(text)
	addresses := [word | some word in words(text); contains(word, "@")]
	count(addresses) > 0
	every word in addresses {
		regex.match(address, word)
	}
	not regex.match(`[\x{FF20}\x{FE6B}]`, text)
}

# The recipients of a mail: those that the gateway has read, and those in the params.
recipients := {lower(address) | some address in input.data.recipients} | {address |
	some field in ["to", "cc", "bcc", "recipient", "recipients"]
	some value in values(field)
	some text in texts(value)
	is_string(text)
	some word in words(lower(text))
	some address in regex.split(`[()\[\]]+`, word)
	contains(address, "@")
}

# A domain may be written with the root's dot (gmail.com.) and is the same domain.
domain(address) := trim_suffix(lower(parts[count(parts) - 1]), ".") if parts := split(address, "@")
