/* Rates: so many bytes in every second, of an allocation, a user and the relay. */
#ifndef EDGETURN_RATES_H
#define EDGETURN_RATES_H

#include "kernel.h"

INLINE struct budget *open_budget(__u32 place, __u64 now)
{
	struct budget *budget = look_up(budgets, &place);

	if (budget && budget->ends <= now) {
		budget->ends = now + SECOND;
		budget->left = budget->rate;
	}
	return budget;
}

/* Say whether the rates of a flow leave room for so many bytes. */
INLINE int affords(const struct flow *flow, __u32 bytes, __u64 now)
{
	struct budget *budget;

#pragma unroll
	for (int each = 0; each < BUDGETS; each++)
		if (flow->budgets[each]) {
			budget = open_budget(flow->budgets[each], now);
			if (budget && budget->left < (__s64)bytes)
				return 0;
		}
	return 1;
}

INLINE void charge(const struct flow *flow, __u32 bytes)
{
	struct budget *budget;

#pragma unroll
	for (int each = 0; each < BUDGETS; each++)
		if (flow->budgets[each]) {
			__u32 place = flow->budgets[each];

			budget = look_up(budgets, &place);
			if (budget)
				budget->left -= bytes;
		}
}

#endif
