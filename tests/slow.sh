# Compute with the slowest kernel; sourced by tests that interrupt a worker,
# which is not to be done before they come to it.
APUS_KERNEL=reference
export APUS_KERNEL
