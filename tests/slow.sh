# Compute with the slowest kernel; sourced, after what clears the environment,
# by tests that interrupt a worker: it is not to be done before they come to it.
APUS_KERNEL=reference
export APUS_KERNEL
