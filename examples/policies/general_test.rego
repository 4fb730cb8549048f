package vargate.policy_test

test_general[title] if {
	some title, [changes, expected] in {
		"a quiet agent": [{}, "allowed"],
		"a score at the threshold": [{"history": {"anomaly_score": 0.7}}, "allowed"],
		"a score above the threshold": [
			{"history": {"anomaly_score": 0.7001}},
			"high: anomaly_score_threshold_exceeded",
		],
		"a lower threshold": [
			{"tenant": {"policy_config": {"anomaly_threshold": 0.4}}, "history": {"anomaly_score": 0.5}},
			"high: anomaly_score_threshold_exceeded",
		],
		"the last action of the day": [{"history": {"last_24h": {"action_count": 200}}}, "allowed"],
		"one action too many": [
			{"history": {"last_24h": {"action_count": 201}}},
			"medium: daily_action_limit_exceeded",
		],
		"a limit of a wrong type": [
			{
				"tenant": {"policy_config": {"daily_action_limit": "999"}},
				"history": {"last_24h": {"action_count": 201}},
			},
			"medium: daily_action_limit_exceeded",
		],
		"a limit that is a list": [
			{
				"tenant": {"policy_config": {"daily_action_limit": []}},
				"history": {"last_24h": {"action_count": 201}},
			},
			"medium: daily_action_limit_exceeded",
		],
		"two violations": [violations(2, "2026-11-23T11:59:59Z"), "allowed"],
		"three violations, the last under an hour ago": [
			violations(3, "2026-11-23T11:00:00.001Z"),
			"high: violation_cooldown_active",
		],
		"three violations, the last an hour ago": [violations(3, "2026-11-23T11:00:00Z"), "allowed"],
		"three violations in another zone": [
			violations(3, "2026-11-23T12:59:59.123456+01:00"),
			"high: violation_cooldown_active",
		],
		"three violations at an unreadable time": [violations(3, "lately"), "high: violation_cooldown_active"],
		"three violations at no time": [violations(3, null), "allowed"],
		"delete": [{"action": {"method": "delete"}}, "pending"],
		"destroy": [{"action": {"method": "destroy"}}, "pending"],
		"purge": [{"action": {"method": "purge"}}, "pending"],
		"drop": [{"action": {"method": "drop"}}, "pending"],
		"another method": [{"action": {"method": "delete_draft"}}, "allowed"],
		"delete without approval": [
			{"tenant": {"policy_config": {"approve_destructive": false}}, "action": {"method": "delete"}},
			"allowed",
		],
		"delete beside a violation": [
			{"action": {"method": "delete"}, "history": {"last_24h": {"action_count": 201}}},
			"medium: daily_action_limit_exceeded",
		],
		"everything at once": [
			object.union(
				{"history": {"anomaly_score": 1, "last_24h": {"action_count": 999}}},
				violations(9, "2026-11-23T12:00:00Z"),
			),
			"high: anomaly_score_threshold_exceeded, daily_action_limit_exceeded, violation_cooldown_active",
		],
	}
	outcome("general", changes) == expected
}

violations(count, last) := {"history": {"last_24h": {"policy_violations": count, "last_violation_at": last}}}
