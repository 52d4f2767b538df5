"""Check functions of the suite huang2020: orthogonal versus Gaussian initial weights."""

from .conditions import (
    condition_growth_gaussian as condition_growth_gaussian,
    condition_growth_linear as condition_growth_linear,
    condition_growth_orthogonal as condition_growth_orthogonal,
    condition_linear as condition_linear,
    condition_orthogonal as condition_orthogonal,
)
from .deep import (
    speed_up_best as speed_up_best,
    speed_up_by_depth as speed_up_by_depth,
    speed_up_by_rate as speed_up_by_rate,
    speed_up_deep as speed_up_deep,
    speed_up_scalar as speed_up_scalar,
    speed_up_scalar_best as speed_up_scalar_best,
    speed_up_shallow as speed_up_shallow,
)
from .lazy import lazy_curves as lazy_curves
from .limits import (
    gap_of_cnn_delta as gap_of_cnn_delta,
    gap_of_means as gap_of_means,
    limit_cnn_delta as limit_cnn_delta,
    limit_cnn_gaussian as limit_cnn_gaussian,
    limit_cnn_orthogonal as limit_cnn_orthogonal,
    limit_erf_gaussian as limit_erf_gaussian,
    limit_erf_orthogonal as limit_erf_orthogonal,
    limit_relu_gaussian as limit_relu_gaussian,
    limit_relu_orthogonal as limit_relu_orthogonal,
)
from .panels import curves as curves
from .variances import variance_gaussian as variance_gaussian, variance_orthogonal as variance_orthogonal
