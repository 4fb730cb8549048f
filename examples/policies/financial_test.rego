package vargate.policy_test

test_financial[title] if {
	some title, [changes, expected] in {
		"below the approval threshold": [params({"amount": 999.99}), "allowed"],
		"at the approval threshold": [params({"amount": 1000}), "pending"],
		"just below the limit": [params({"amount": 4999.99}), "pending"],
		"at the limit": [params({"amount": 5000}), "high: transaction_exceeds_limit"],
		"above a higher limit": [tuned({"transaction_limit": 5001}, {"amount": 5000}), "pending"],
		"a limit of a wrong type": [
			tuned({"transaction_limit": "9000"}, {"amount": 6000}),
			"high: transaction_exceeds_limit",
		],
		"a limit of null beside a good parameter": [
			tuned({"transaction_limit": null, "approval_threshold": 9000}, {"amount": 4000}),
			"allowed",
		],
		"an amount that is a text": [params({"amount": "9000"}), "high: unexpected_shape_amount"],
		"an amount of null": [params({"amount": null}), "high: unexpected_shape_amount"],
		"an amount that is a list": [params({"amount": [9000]}), "high: unexpected_shape_amount"],
		"a negative amount": [params({"amount": -9000}), "high: unexpected_shape_amount"],
		"the right currency": [params({"currency": "EUR"}), "allowed"],
		"another currency": [params({"currency": "USD"}), "medium: currency_mismatch"],
		"a currency that is null": [params({"currency": null}), "medium: currency_mismatch"],
		"another currency of the tenant": [tuned({"currency": "USD"}, {"currency": "USD"}), "allowed"],
		"99.99 at night": [at_night({"amount": 99.99}), "allowed"],
		"100 at night": [at_night({"amount": 100}), "medium: transaction_outside_business_hours"],
		"100 at night for a tenant who does not mind": [
			object.union(at_night({"amount": 100}), tuned({"business_hours_only": false}, {})),
			"allowed",
		],
		"the last transaction of the day": [{"history": {"last_24h": {"action_count": 100}}}, "allowed"],
		"one transaction too many": [
			{"history": {"last_24h": {"action_count": 101}}},
			"medium: daily_transaction_cap_exceeded",
		],
	}
	outcome("financial", changes) == expected
}

at_night(changes) := object.union(params(changes), {"context": {"is_business_hours": false}})
