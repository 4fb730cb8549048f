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

test_amount_below_zero if not decide("payments", {"amount": -5000}).allow

test_second_amount if {
	decide("payments", {"amount": 5, "Amount": 5000}).violations == {"unexpected_params"}
	not decide("payments", {"amount": 5, "more": {"amount": 5000}}).allow
}

test_tool_in_any_spelling if {
	not decide("Payments", {"amount": 5000}).allow
	not decide("pay-ments.", {"amount": 5000}).allow
}

test_another_tool if decide("search", {}).allow
