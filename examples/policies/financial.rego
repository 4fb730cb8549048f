# For agents that move money.
package vargate.policy.templates.financial

import data.vargate.policy.governed
import data.vargate.policy.parameters

config := parameters.tuned({
	"transaction_limit": 5000,
	"currency": "EUR",
	"business_hours_only": true,
	"approval_threshold": 1000,
	"daily_transaction_cap": 100,
})

# The largest, so that a small amount beside a large one hides nothing. Undefined where there is no number.
amount := max(governed.numbers("amount"))

violations[name] := "high" if {
	some field in governed.unexpected({"amount": "quantity"})
	name := concat("_", ["unexpected_shape", field])
}

violations["transaction_exceeds_limit"] := "high" if amount >= config.transaction_limit

violations["currency_mismatch"] := "medium" if {
	some currency in governed.values("currency")
	currency != config.currency
}

violations["transaction_outside_business_hours"] := "medium" if {
	config.business_hours_only
	not input.context.is_business_hours
	amount >= 100
}

violations["daily_transaction_cap_exceeded"] := "medium" if {
	input.history.last_24h.action_count > config.daily_transaction_cap
}

approval if amount >= config.approval_threshold
