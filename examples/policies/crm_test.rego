package vargate.policy_test

test_crm[title] if {
	some title, [changes, expected] in {
		"an update": [params({"fields": {"phone": "1"}}), "allowed"],
		"delete": [{"action": {"method": "delete"}}, "high: crm_delete_not_allowed"],
		"delete where allowed": [
			{"tenant": {"policy_config": {"allow_delete": true}}, "action": {"method": "delete"}},
			"allowed",
		],
		"a restricted field": [
			params({"fields": {"owner": null}}),
			"high: restricted_field_modification_owner",
		],
		"two restricted fields": [
			params({"fields": {"revenue": 1, "name": "x", "owner": false}}),
			"high: restricted_field_modification_owner, restricted_field_modification_revenue",
		],
		"fields restricted by the tenant": [
			tuned({"restricted_fields": ["vip", "vip"]}, {"fields": {"owner": "y", "vip": true}}),
			"high: restricted_field_modification_vip",
		],
		"fields that are a list": [params({"fields": ["owner"]}), "high: unexpected_shape_fields"],
		"fields that are null": [params({"fields": null}), "allowed"],
		"10 records": [params({"record_count": 10}), "allowed"],
		"11 records": [params({"record_count": 11}), "pending"],
		"99 records": [params({"record_count": 99}), "pending"],
		"100 records": [params({"record_count": 100}), "medium: bulk_operation_exceeds_threshold"],
		"100 records of a higher threshold": [tuned({"bulk_threshold": 11}, {"record_count": 100}), "pending"],
		"a count that is a text": [params({"record_count": "100"}), "high: unexpected_shape_record_count"],
		"no records of a threshold of none": [tuned({"bulk_threshold": 0}, {"record_count": 0}), "allowed"],
		"export": [{"action": {"method": "export"}}, "pending"],
		"export without approval": [
			{"tenant": {"policy_config": {"export_approval": false}}, "action": {"method": "export"}},
			"allowed",
		],
	}
	outcome("crm", changes) == expected
}
