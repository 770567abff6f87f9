# The emulated device and the tests of kernels/cuda on it.  Each test is built
# twice: plain, and checked, where the compiler's pass for the thread sanitizer
# makes every load and store a call of hooks.cpp (libtsan is never linked, so
# its flag is not one of the linker's).
if HAVE_CUSIM
check_LIBRARIES += tests/libcusim.a tests/libcusim_backend.a \
	tests/libcusim_hooks.a
check_PROGRAMS += $(cusim_tests) tests/x1vectors-sim tests/worker-sim \
	tests/engine-sim tests/gpu-sim
TESTS += $(cusim_tests)
endif
cusim_flags = $(CUSIM_CXXFLAGS)
cusim_checked = $(AM_CPPFLAGS) -fsanitize=thread
cusim_checked_flags = $(CUSIM_CXXFLAGS) -O1 -fno-tree-vectorize \
	-fno-store-merging
cusim_libs = tests/libcusim.a tests/libtest.a $(net_libs)
cusim_checked_libs = tests/libcusim.a tests/libcusim_hooks.a \
	tests/libtest.a $(net_libs)

tests_libcusim_a_SOURCES = tests/cusim/array.h tests/cusim/cusim.h \
	tests/cusim/draws.h \
	tests/cusim/fiber.cpp \
	tests/cusim/host.cpp tests/cusim/internal.h tests/cusim/memory.cpp
tests_libcusim_a_CXXFLAGS = $(cusim_flags)
tests_libcusim_hooks_a_SOURCES = tests/cusim/hooks.cpp
tests_libcusim_hooks_a_CXXFLAGS = $(cusim_flags)

cusim_tests = \
	tests/t_cuda_attention \
	tests/t_cuda_attention_checked \
	tests/t_cuda_backend \
	tests/t_cuda_engine \
	tests/t_cuda_graphs \
	tests/t_cuda_members \
	tests/t_cuda_heads \
	tests/t_cuda_heads_checked \
	tests/t_cuda_hashes \
	tests/t_cuda_hashes_checked \
	tests/t_cuda_prefill \
	tests/t_cuda_prefill_checked \
	tests/t_cuda_sample \
	tests/t_cuda_sample_checked \
	tests/t_cuda_device \
	tests/t_cuda_device_checked \
	tests/t_cuda_last \
	tests/t_cuda_last_checked \
	tests/t_cuda_linear \
	tests/t_cuda_linear_checked \
	tests/t_cuda_rowwise \
	tests/t_cuda_rowwise_checked \
	# end

tests_t_cuda_device_SOURCES = tests/t_cuda_device.cpp kernels/cuda/dev.cuh
tests_t_cuda_device_CXXFLAGS = $(cusim_flags)
tests_t_cuda_device_LDADD = $(cusim_libs)
tests_t_cuda_device_checked_SOURCES = tests/t_cuda_device.cpp
tests_t_cuda_device_checked_CPPFLAGS = $(cusim_checked)
tests_t_cuda_device_checked_CXXFLAGS = $(cusim_checked_flags)
tests_t_cuda_device_checked_LDADD = $(cusim_checked_libs)

EXTRA_DIST += tests/cusim/blas_host.cpp tests/cusim/nccl_host.cpp \
	kernels/cuda/attention.cu kernels/cuda/gemm.cu kernels/cuda/hashes.cu \
	kernels/cuda/heads.cu kernels/cuda/large.cu kernels/cuda/linear.cu \
	kernels/cuda/prefill.cu \
	kernels/cuda/rowwise.cu kernels/cuda/sample.cu \
	src/backend/cuda/blas_lt.cu src/backend/cuda/frames.cu \
	src/backend/cuda/connect.cu src/backend/cuda/nccl.cu \
	src/backend/cuda/graphs.cu src/backend/cuda/members.cu \
	src/backend/cuda/health.cu \
	src/backend/cuda/layers.cu src/backend/cuda/load.cu \
	src/backend/cuda/look.cu \
	src/backend/cuda/order.cu src/backend/cuda/products.cu \
	src/backend/cuda/rehash.cu src/backend/cuda/tested.cu \
	src/backend/cuda/tap.cu src/backend/cuda/device.cu
rowwise_sources = tests/t_cuda_rowwise.cpp kernels/cuda/launch.cuh \
	kernels/cuda/rowwise.cuh
tests_t_cuda_rowwise_SOURCES = $(rowwise_sources)
tests_t_cuda_rowwise_CXXFLAGS = $(cusim_flags)
tests_t_cuda_rowwise_LDADD = $(cusim_libs)
tests_t_cuda_rowwise_checked_SOURCES = $(rowwise_sources)
tests_t_cuda_rowwise_checked_CPPFLAGS = $(cusim_checked)
tests_t_cuda_rowwise_checked_CXXFLAGS = $(cusim_checked_flags)
tests_t_cuda_rowwise_checked_LDADD = $(cusim_checked_libs)

linear_sources = tests/t_cuda_linear.cpp kernels/cuda/gemm.cuh \
	kernels/cuda/large.cuh kernels/cuda/linear.cuh \
	src/backend/cuda/blas.cuh
tests_t_cuda_linear_SOURCES = $(linear_sources)
tests_t_cuda_linear_CXXFLAGS = $(cusim_flags)
tests_t_cuda_linear_LDADD = $(cusim_libs)
tests_t_cuda_linear_checked_SOURCES = $(linear_sources)
tests_t_cuda_linear_checked_CPPFLAGS = $(cusim_checked)
tests_t_cuda_linear_checked_CXXFLAGS = $(cusim_checked_flags)
tests_t_cuda_linear_checked_LDADD = $(cusim_checked_libs)

last_sources = tests/t_cuda_last.cpp kernels/cuda/attention.cuh \
	kernels/cuda/last.cuh kernels/cuda/linear.cuh \
	kernels/cuda/row_pass.cuh
tests_t_cuda_last_SOURCES = $(last_sources)
tests_t_cuda_last_CXXFLAGS = $(cusim_flags)
tests_t_cuda_last_LDADD = $(cusim_libs)
tests_t_cuda_last_checked_SOURCES = $(last_sources)
tests_t_cuda_last_checked_CPPFLAGS = $(cusim_checked)
tests_t_cuda_last_checked_CXXFLAGS = $(cusim_checked_flags)
tests_t_cuda_last_checked_LDADD = $(cusim_checked_libs)

attention_sources = tests/t_cuda_attention.cpp kernels/cuda/attention.cuh
tests_t_cuda_attention_SOURCES = $(attention_sources)
tests_t_cuda_attention_CXXFLAGS = $(cusim_flags)
tests_t_cuda_attention_LDADD = $(cusim_libs)
tests_t_cuda_attention_checked_SOURCES = $(attention_sources)
tests_t_cuda_attention_checked_CPPFLAGS = $(cusim_checked)
tests_t_cuda_attention_checked_CXXFLAGS = $(cusim_checked_flags)
tests_t_cuda_attention_checked_LDADD = $(cusim_checked_libs)

heads_sources = tests/t_cuda_heads.cpp kernels/cuda/heads.cuh
tests_t_cuda_heads_SOURCES = $(heads_sources)
tests_t_cuda_heads_CXXFLAGS = $(cusim_flags)
tests_t_cuda_heads_LDADD = $(cusim_libs)
tests_t_cuda_heads_checked_SOURCES = $(heads_sources)
tests_t_cuda_heads_checked_CPPFLAGS = $(cusim_checked)
tests_t_cuda_heads_checked_CXXFLAGS = $(cusim_checked_flags)
tests_t_cuda_heads_checked_LDADD = $(cusim_checked_libs)

hashes_sources = tests/t_cuda_hashes.cpp kernels/cuda/hashes.cuh
tests_t_cuda_hashes_SOURCES = $(hashes_sources)
tests_t_cuda_hashes_CXXFLAGS = $(cusim_flags)
tests_t_cuda_hashes_LDADD = $(cusim_libs)
tests_t_cuda_hashes_checked_SOURCES = $(hashes_sources)
tests_t_cuda_hashes_checked_CPPFLAGS = $(cusim_checked)
tests_t_cuda_hashes_checked_CXXFLAGS = $(cusim_checked_flags)
tests_t_cuda_hashes_checked_LDADD = $(cusim_checked_libs)

prefill_sources = tests/t_cuda_prefill.cpp kernels/cuda/prefill.cuh
tests_t_cuda_prefill_SOURCES = $(prefill_sources)
tests_t_cuda_prefill_CXXFLAGS = $(cusim_flags)
tests_t_cuda_prefill_LDADD = $(cusim_libs)
tests_t_cuda_prefill_checked_SOURCES = $(prefill_sources)
tests_t_cuda_prefill_checked_CPPFLAGS = $(cusim_checked)
tests_t_cuda_prefill_checked_CXXFLAGS = $(cusim_checked_flags)
tests_t_cuda_prefill_checked_LDADD = $(cusim_checked_libs)

sample_sources = tests/t_cuda_sample.cpp kernels/cuda/sample.cuh
tests_t_cuda_sample_SOURCES = $(sample_sources)
tests_t_cuda_sample_CXXFLAGS = $(cusim_flags)
tests_t_cuda_sample_LDADD = $(cusim_libs)
tests_t_cuda_sample_checked_SOURCES = $(sample_sources)
tests_t_cuda_sample_checked_CPPFLAGS = $(cusim_checked)
tests_t_cuda_sample_checked_CXXFLAGS = $(cusim_checked_flags)
tests_t_cuda_sample_checked_LDADD = $(cusim_checked_libs)

# The device backend over the emulated device.  It stands before libapus.a,
# whose src/backend/cuda/none.c it replaces.
tests_libcusim_backend_a_SOURCES = tests/cusim/backend.cpp \
	src/backend/cuda/device.cuh
tests_libcusim_backend_a_CXXFLAGS = $(cusim_flags)
tests_t_cuda_backend_SOURCES = tests/t_cuda_backend.c
tests_t_cuda_backend_LDADD = tests/libcusim_backend.a $(cusim_libs)
tests_t_cuda_backend_LINK = $(CXXLINK)
tests_t_cuda_engine_SOURCES = tests/t_cuda_engine.c
tests_t_cuda_engine_LDADD = tests/libcusim_backend.a $(cusim_libs)
tests_t_cuda_engine_LINK = $(CXXLINK)
tests_t_cuda_graphs_SOURCES = tests/t_cuda_graphs.c
tests_t_cuda_graphs_LDADD = tests/libcusim_backend.a $(cusim_libs)
tests_t_cuda_graphs_LINK = $(CXXLINK)
tests_t_cuda_members_SOURCES = tests/t_cuda_members.c
tests_t_cuda_members_LDADD = tests/libcusim_backend.a $(cusim_libs)
tests_t_cuda_members_LINK = $(CXXLINK)

# bench/engine and bench/gpu over it, for the test of bench/gpu-kit.
tests_engine_sim_SOURCES = $(bench_engine_SOURCES)
tests_engine_sim_LDADD = tests/libcusim_backend.a tests/libcusim.a $(apus_libs)
tests_engine_sim_LINK = $(CXXLINK)
tests_gpu_sim_SOURCES = tests/gpu_bench.cpp
tests_gpu_sim_CXXFLAGS = $(cusim_flags)
tests_gpu_sim_LDADD = tests/libcusim_backend.a tests/libcusim.a $(apus_libs)

# apus-worker over the emulated device, never installed; what reads APUS_WORKER
# takes it.
tests_worker_sim_SOURCES = $(apus_worker_SOURCES)
tests_worker_sim_CFLAGS = $(apus_worker_CFLAGS)
tests_worker_sim_LDADD = tests/libcusim_backend.a tests/libcusim.a \
	$(apus_libs) $(MPI_LIBS)
tests_worker_sim_LINK = $(CXXLINK)

# The vectors of X1 on the emulated device (tests/0213-sim.t).
tests_x1vectors_sim_SOURCES = $(tests_x1vectors_SOURCES) \
	tests/cusim/table.cpp
tests_x1vectors_sim_CXXFLAGS = $(cusim_flags)
tests_x1vectors_sim_LDADD = $(cusim_libs)
