package vargate.policy_test

import data.vargate.policy

decide(tool, params) := decision if {
	action := {"tool": tool, "method": "refund", "params": params}
	decision := policy.decision with input as {"action": action}
}

test_small_refund if {
	decide("payments", {"amount": 100}).allow
	not decide("payments", {"amount": 100}).requires_human
}

test_refund_that_a_reviewer_decides if {
	decide("payments", {"amount": 100.01}).allow
	decide("payments", {"amount": 1000}).requires_human
}

test_refund_that_is_too_large if {
	not decide("payments", {"amount": 1000.01}).allow
	decide("payments", {"amount": 1001}).violations == {"refund_too_large"}
}

test_amount_that_is_no_number if {
	not decide("payments", {"amount": "5"}).allow
	not decide("payments", {}).allow
}

test_another_tool if decide("search", {}).allow
