# For agents that work on customer records.
package vargate.policy.templates.crm

import data.vargate.policy.parameters

config := parameters.tuned({
	"bulk_threshold": 10,
	"allow_delete": false,
	"export_approval": true,
	"restricted_fields": ["owner", "revenue"],
})

# Undefined for anything but a number.
record_count := input.action.params.record_count if is_number(input.action.params.record_count)

violations["crm_delete_not_allowed"] := "high" if {
	input.action.method == "delete"
	not config.allow_delete
}

violations[name] := "high" if {
	is_object(input.action.params.fields)
	some field in config.restricted_fields
	field in object.keys(input.action.params.fields)
	name := concat("_", ["restricted_field_modification", field])
}

violations["bulk_operation_exceeds_threshold"] := "medium" if {
	record_count > config.bulk_threshold
	record_count >= 10 * config.bulk_threshold
}

approval if {
	input.action.method == "export"
	config.export_approval
}

approval if record_count > config.bulk_threshold
