# What a tenant tunes: the defaults of its template, replaced one by one from its policy_config.
package vargate.policy.parameters

# A value of another type than the default is ignored: a slip in a configuration must not switch a rule off.
tuned(defaults) := {name: value |
	some name, standard in defaults
	value := fitting(object.get(input.tenant.policy_config, name, standard), standard)
}

fitting(value, standard) := value if is_like(value, standard)

else := standard

is_like(value, standard) if {
	not is_array(standard)
	type_name(value) == type_name(standard)
}

is_like(value, standard) if {
	is_array(standard)
	is_array(value)
	every item in value {
		is_string(item)
	}
}
