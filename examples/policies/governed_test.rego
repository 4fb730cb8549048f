package vargate.policy_test

import data.vargate.policy.governed

test_spellings_of_a_name[spelling] if {
	some spelling in [
		"record_count",
		"Record_Count",
		"recordCount",
		"record-count ",
		"record\u200bcount.",
		"ｒecord_count",
		"rеcord_count",
		"reco\u0301rd_count",
	]
	governed.reads_like(spelling, "record_count")
}

test_other_names[other] if {
	some other in ["", "record", "record_counts", "rеcord_counts", "запись", "\u200b"]
	not governed.reads_like(other, "record_count")
}

test_names_without_letters if {
	governed.reads_like("_", "_")
	not governed.reads_like("", "_")
}

test_destructive_methods_in_any_spelling[method] if {
	some method in ["Delete", "delete.", "DROP ", "\u200bpurge"]
	outcome("general", {"action": {"method": method}}) == "pending"
}

test_amounts_that_are_found[name] if {
	some name, changes in {
		"under another spelling": {"Amount": 9000},
		"beside a small one": {"amount": 1, "AMOUNT ": 9000},
		"nested": {"payment": [{"amount": 9000}]},
		"under a path": {"payment.amount": 9000},
	}
	outcome("financial", params(changes)) == "high: transaction_exceeds_limit"
}

test_quantities_that_cannot_be_compared[amount] if {
	some amount in ["9000", "0x2328", [9000], {"value": 9000}, true, null, -1, {}]
	outcome("financial", params({"amount": amount})) == "high: unexpected_shape_amount"
}

test_quantities_beyond_precision if {
	outcome("financial", params({"amount": 9007199254740992})) == concat("", [
		"high: transaction_exceeds_limit, ",
		"unexpected_shape_amount",
	])
}

test_recipients_that_are_found[name] if {
	some name, changes in {
		"in cc": {"cc": ["ann@gmail.com"]},
		"in bcc": {"Bcc": "Ann <ann@gmail.com>"},
		"in a list in a text": {"to": "bob@corp.example, ann@gmail.com."},
		"nested": {"message": {"to": "ann @ gmail . com"}},
	}
	outcome("email", mail(changes)) == "high: consumer_email_blocked"
}

test_recipients_that_cannot_be_read[to] if {
	some to in [
		{"email": "ann@corp.example"},
		[["ann@corp.example"]],
		7,
		"ann",
		"ann@gm\u200bail.com",
		"ann@ｇmail.com",
		"bob@corp.example, ann＠gmail.com",
		"ann@localhost",
		"bob@corp.example@gmail.example",
	]
	outcome("email", mail({"to": to})) == "high: unexpected_shape_to"
}

test_nobody[to] if {
	some to in [null, "", " ", [], ["bob@corp.example", " "]]
	outcome("email", mail({"to": to})) == "allowed"
}

test_international_domains_are_held if {
	outcome("email", mail({"to": "ann@xn--gmal-nza.example"})) == "pending"
}

test_fields_that_are_found[name] if {
	some name, changes in {
		"under another spelling": {"Fields": {"OWNER": 1}},
		"nested": {"fields": {"contact": [{"owner": 1}]}},
		"under a path": {"fields": {"contact.owner": 1}},
	}
	outcome("crm", params(changes)) == "high: restricted_field_modification_owner"
}

test_masks_in_doubt[name] if {
	some name, changes in {
		"one of two": {"masked": true, "Masked": false},
		"under another spelling": {"Masked": true},
	}
	outcome("data_access", personal({"pii_allowed": true}, changes)) == "high: pii_masking_required"
}

test_documents_of_other_types_are_denied[name] if {
	some name, changes in {
		"a method": {"action": {"method": 7}},
		"a tool": {"action": {"tool": ["email"]}},
		"params": {"action": {"params": ["amount"]}},
		"recipients": {"data": {"recipients": "ann@gmail.com"}},
	}
	outcome("general", changes) == "high: policy_input_incomplete"
}

mail(changes) := params(object.union({"body": "automated"}, changes))
