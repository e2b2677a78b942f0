package rack

import (
	"time"

	"lastwatt/drivers"
	"lastwatt/policy"
)

// PlanOf is a timeline as it is seen at now.
func PlanOf(t policy.Timeline, now time.Duration) Plan {
	p := Plan{Steps: []Step{}, TimeToEmpty: &t.Left.Left, Method: t.Left.Method, Load: drivers.Watt(t.Load.Watts), LoadMethod: t.Load.Method, Margin: &t.Margin}
	for _, i := range t.Items {
		p.Steps = append(p.Steps, Step{In: max(0, i.At-now), What: i.What, Node: i.Node, Watts: i.Watts, Reason: i.Reason})
	}
	return p
}
