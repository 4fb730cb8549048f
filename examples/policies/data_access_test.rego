package vargate.policy_test

test_data_access[title] if {
	some title, [changes, expected] in {
		"a plain query": [params({"limit": 10000, "region": "eu-west-1"}), "allowed"],
		"personal data": [personal({}, {}), "high: pii_access_denied, pii_masking_required"],
		"masked personal data": [personal({}, {"masked": true}), "high: pii_access_denied"],
		"allowed personal data": [personal({"pii_allowed": true}, {}), "high: pii_masking_required"],
		"allowed, masked personal data": [personal({"pii_allowed": true}, {"masked": true}), "allowed"],
		"personal data masked in words": [
			personal({"pii_allowed": true}, {"masked": "true"}),
			"high: pii_masking_required",
		],
		"allowed personal data that needs no mask": [
			personal({"pii_allowed": true, "require_masking": false}, {}),
			"allowed",
		],
		"one row too many": [params({"limit": 10001}), "medium: query_row_limit_exceeded"],
		"a limit that is a text": [params({"limit": "10001"}), "high: unexpected_shape_limit"],
		"another region": [params({"region": "us-east-1"}), "high: data_residency_violation"],
		"a region that is null": [params({"region": null}), "high: data_residency_violation"],
		"a region that is false": [params({"region": false}), "high: data_residency_violation"],
		"a region allowed by the tenant": [tuned({"allowed_regions": ["y", "x"]}, {"region": "x"}), "allowed"],
		"the last query of the day": [{"history": {"last_24h": {"action_count": 500}}}, "allowed"],
		"one query too many": [
			{"history": {"last_24h": {"action_count": 501}}},
			"medium: daily_query_limit_exceeded",
		],
		"an export of 1000 rows": [{"action": {"method": "export", "params": {"limit": 1000}}}, "allowed"],
		"an export of 1001 rows": [{"action": {"method": "export", "params": {"limit": 1001}}}, "pending"],
		"an export of no stated size": [{"action": {"method": "export"}}, "allowed"],
	}
	outcome("data_access", changes) == expected
}

personal(config, changes) := object.union(tuned(config, changes), {"data": {"contains_pii": true}})
