# ---- tests --------------------------------------------------------------
# Programs and scripts with TAP output.
test_programs = \
	kernels/check \
	tests/t_answer \
	tests/t_ao \
	tests/t_ask \
	tests/t_question \
	tests/t_backend \
	tests/t_base \
	tests/t_partial \
	tests/t_plan \
	tests/t_bundler \
	tests/t_chat \
	tests/t_checkpoint \
	tests/t_checkpoint_disk \
	tests/t_chunk \
	tests/t_claims \
	tests/t_clock \
	tests/t_comm \
	tests/t_commit \
	tests/t_convert \
	tests/t_crash_log \
	tests/t_dapp \
	tests/t_dispatch \
	tests/t_dispatch_group \
	tests/t_dispute \
	tests/t_doomed \
	tests/t_download \
	tests/t_engine \
	tests/t_explain \
	tests/t_hostile \
	tests/t_families \
	tests/t_fidelity \
	tests/t_fit \
	tests/t_first_look \
	tests/t_freivalds \
	tests/t_gguf \
	tests/t_gguf_blocks \
	tests/t_gguf_model \
	tests/t_graphql \
	tests/t_group \
	tests/t_members \
	tests/t_gateway \
	tests/t_gateway_depth \
	tests/t_http \
	tests/t_item \
	tests/t_jobs \
	tests/t_jinja \
	tests/t_json \
	tests/t_llama2c \
	tests/t_local_share \
	tests/t_kernels \
	tests/t_key \
	tests/t_launcher \
	tests/t_request_file \
	tests/t_lookup \
	tests/t_logits \
	tests/t_logprobs \
	tests/t_merkle \
	tests/t_model \
	tests/t_model_fetch \
	tests/t_model_stream \
	tests/t_nearest \
	tests/t_ordered \
	tests/t_output \
	tests/t_no_gpu \
	tests/t_owner \
	tests/t_part_index \
	tests/t_pretokenize \
	tests/t_progress \
	tests/t_property \
	tests/t_published \
	tests/t_push_items \
	tests/t_push_money \
	tests/t_pool \
	tests/t_pull \
	tests/t_queue \
	tests/t_rank \
	tests/t_record \
	tests/t_records \
	tests/t_recompute \
	tests/t_request \
	tests/t_resume \
	tests/t_reuse \
	tests/t_rows \
	tests/t_safetensors \
	tests/t_sampler \
	tests/t_sandbox \
	tests/t_seal \
	tests/t_sequence \
	tests/t_settings \
	tests/t_slice \
	tests/t_smollm2 \
	tests/t_source \
	tests/t_shared \
	tests/t_spool \
	tests/t_start_test \
	tests/t_spool_race \
	tests/t_spot \
	tests/t_stops \
	tests/t_stories \
	tests/t_tensor_rows \
	tests/t_tokenizer \
	tests/t_tokenizer_json \
	tests/t_tokenizer_steps \
	tests/t_unicode \
	tests/t_watched \
	tests/t_worklog \
	# end
test_scripts = \
	tests/0110-spool.t \
	tests/0120-checkpoint.t \
	tests/0121-harm.t \
	tests/0125-repair.t \
	tests/0126-keep-trace.t \
	tests/0127-run-from.t \
	tests/0128-diff.t \
	tests/0129-readers.t \
	tests/0200-commands.t \
	tests/0201-run.t \
	tests/0202-outputs.t \
	tests/0203-inputs.t \
	tests/0204-kept.t \
	tests/0205-selftest.t \
	tests/0206-line-ids.t \
	tests/0207-reuse.t \
	tests/0207-asking.t \
	tests/0208-clean.t \
	tests/0209-check.t \
	tests/0210-x1vectors.t \
	tests/0211-progress.t \
	tests/0212-logprobs.t \
	tests/0213-sim.t \
	tests/0213-emulated-tiles.t \
	tests/0213-tensors.t \
	tests/0214-machines.t \
	tests/0215-full-disk.t \
	tests/0216-engine-lua.t \
	tests/0217-one-thread.t \
	tests/0218-serve-lua.t \
	tests/0218-damage.t \
	tests/0300-worker.t \
	tests/0301-slurm.t \
	tests/0310-local.t \
	tests/0311-slurm-jobs.t \
	tests/0320-crash.t \
	tests/0321-starts.t \
	tests/0322-lost-answers.t \
	tests/0323-owners.t \
	tests/0324-partial.t \
	tests/0325-device.t \
	tests/0326-gpu-auto.t \
	tests/0327-gpu-faults.t \
	tests/0328-gpu-wrong.t \
	tests/0329-gpu-kit.t \
	tests/0330-ranks.t \
	tests/0331-stall.t \
	tests/0332-threads.t \
	tests/0333-memory.t \
	tests/0335-groups.t \
	tests/0336-gpu-groups.t \
	tests/0337-gpu-each.t \
	tests/0338-gpu-members.t \
	tests/0339-member-killed.t \
	tests/0340-verify.t \
	tests/0341-ao-batch.t \
	tests/0342-verify-output.t \
	tests/0343-forged.t \
	tests/0344-wait.t \
	tests/0345-submit.t \
	tests/0348-submit-files.t \
	tests/0349-status.t \
	tests/0346-doctor.t \
	tests/0347-no-answer.t \
	tests/0350-slurm-batch.t \
	tests/0352-slurm-drain.t \
	tests/0353-slurm-starts.t \
	tests/0354-slurm-left.t \
	tests/0355-slurm-status.t \
	tests/0356-slurm-ranks.t \
	tests/0357-slurm-alloc.t \
	tests/0359-slurm-alloc-end.t \
	tests/0360-file-names.t \
	tests/0361-slurm-wait.t \
	tests/0362-slurm-gpus.t \
	tests/0358-site-day.t \
	tests/0400-arweave-vectors.t \
	tests/0401-wallet.t \
	tests/0410-npm-peer.t \
	tests/0411-npm-hdf5.t \
	tests/0412-chat-templates.t \
	tests/0413-npm-jinja.t \
	tests/0414-templates.t \
	tests/0420-models.t \
	tests/0421-model-bytes.t \
	tests/0422-model-use.t \
	tests/0423-model-files.t \
	tests/0424-tokenize.t \
	tests/0426-npm-tokenizers.t \
	tests/0425-gguf.t \
	tests/0427-activations.t \
	tests/0428-model-url.t \
	tests/0429-compare.t \
	tests/0430-fitted.t \
	tests/0431-fitted-faults.t \
	tests/0434-llama2c.t \
	tests/0440-queue-aos.t \
	tests/0441-ask.t \
	tests/0442-ask-aos.t \
	tests/0443-queue-lua.t \
	tests/0450-dapp.t \
	tests/0460-pull.t \
	tests/0461-request.t \
	tests/0463-dry-run.t \
	tests/0464-queue-new.t \
	tests/0465-client.t \
	tests/0470-real-aos.t \
	tests/0471-ao-client.t \
	tests/0472-ao-module.t \
	tests/0473-module-names.t \
	tests/0474-module-serve.t \
	tests/0475-module-gas.t \
	tests/0500-second-hash.t \
	tests/0501-numpy.t \
	tests/0510-second-part.t \
	tests/0520-published.t \
	tests/0521-statement.t \
	tests/0522-output-ao.t \
	tests/0523-forged-signed.t \
	tests/0524-items.t \
	tests/0525-audit.t \
	tests/0530-judge.t \
	tests/0531-prove.t \
	tests/0532-queue-games.t \
	tests/0533-dispute.t \
	tests/0534-watch.t \
	tests/0535-trydispute.t \
	tests/0536-dispute-kills.t \
	tests/0537-games-aos.t \
	tests/0538-dispute-net.t \
	tests/0539-dispute-ends.t \
	tests/0541-judge-aos.t \
	tests/0542-dispute-stops.t \
	tests/0543-dispute-unjudged.t \
	tests/0544-judge-mutants.t \
	tests/0545-queue-mutants.t \
	tests/0900-localnet.t \
	tests/0901-graphql.t \
	tests/0905-localnet-ao.t \
	tests/0906-localnet-spawn.t \
	tests/0907-localnet-engine.t \
	tests/0908-chain.t \
	tests/0909-trychain.t \
	tests/0907-ethereum.t \
	tests/0910-push.t \
	tests/0911-push-crash.t \
	tests/0912-push-ao.t \
	tests/0913-faults.t \
	tests/0914-drain.t \
	tests/0915-question.t \
	tests/0916-sick-node.t \
	tests/0920-push-verified.t \
	tests/0930-aos-same.t \
	tests/0940-doctor.t \
	tests/0950-kills.t \
	tests/0951-kills-aos.t \
	tests/0960-infer-batch.t \
	tests/1000-doors.t \
	tests/1001-style.t \
	tests/1002-manual.t \
	tests/1003-documents.t \
	tests/1004-ptx.t \
	tests/1005-packaging.t \
	tests/1007-image.t \
	tests/1006-needed.t \
	tests/1008-unicode.t \
	# end
TESTS = $(test_programs) $(test_scripts)
TEST_EXTENSIONS = .t

AM_TESTS_ENVIRONMENT = \
	top_srcdir='$(abs_top_srcdir)'; export top_srcdir; \
	top_builddir='$(abs_top_builddir)'; export top_builddir; \
	CC='$(CC)'; export CC; \
	NVCC='$(NVCC)'; export NVCC; \
	APUS_CUDA_FLAGS='$(NVCCFLAGS) $(cuda_flags)'; export APUS_CUDA_FLAGS;
tap_driver = env AM_TAP_AWK='$(AWK)' $(SHELL) \
	$(top_srcdir)/build-aux/tap-driver.sh
LOG_DRIVER = $(tap_driver)
T_LOG_DRIVER = $(tap_driver)
T_LOG_COMPILER = $(SHELL)

# What they share; a new test is a line in test_programs above.
check_LIBRARIES = tests/libtest.a
tests_libtest_a_SOURCES = \
	tests/arweave_util.c \
	tests/arweave_util.h \
	tests/batch_util.c \
	tests/batch_util.h \
	tests/beside.c \
	tests/beside.h \
	tests/checkpoint_util.c \
	tests/checkpoint_util.h \
	tests/crew.c \
	tests/crew.h \
	tests/dispute_util.c \
	tests/dispute_util.h \
	tests/float_model.c \
	tests/float_model.h \
	tests/hdf5_mutate.c \
	tests/hdf5_mutate.h \
	tests/helper_path.h \
	tests/late_backend.c \
	tests/late_backend.h \
	tests/mini_model.c \
	tests/mini_model.h \
	tests/models_util.c \
	tests/models_util.h \
	tests/pretend_gateway.c \
	tests/pretend_gateway.h \
	tests/pretend_queue.c \
	tests/pretend_queue.h \
	tests/pretend_server.c \
	tests/pretend_server.h \
	tests/published_util.c \
	tests/published_util.h \
	tests/record_util.c \
	tests/record_util.h \
	tests/same_step.c \
	tests/same_step.h \
	tests/gguf_made.c \
	tests/gguf_made.h \
	tests/gguf_util.c \
	tests/gguf_util.h \
	tests/llama2c_made.c \
	tests/llama2c_made.h \
	tests/safetensors_util.c \
	tests/safetensors_util.h \
	tests/spool_util.c \
	tests/spool_util.h \
	tests/stops_util.c \
	tests/stops_util.h \
	tests/tap.c \
	tests/tap.h \
	tests/thread_group.c \
	tests/thread_group.h \
	# end
LDADD = tests/libtest.a $(net_libs)
tests_t_pretokenize_CFLAGS = $(AM_CFLAGS) $(PCRE2_CFLAGS)
tests_t_pretokenize_LDADD = $(LDADD) $(PCRE2_LIBS)
tests_arweave_exchange_SOURCES = tests/arweave_exchange.c
tests_arweave_vectors_SOURCES = tests/arweave_vectors.c \
	tests/arweave_items.c tests/arweave_trees.c tests/arweave_vectors.h
if HAVE_LOCALNET
check_PROGRAMS += tests/aosrun tests/askrun tests/enginelua tests/t_localnet
TESTS += tests/t_localnet
tests_t_localnet_LDADD = tests/libtest.a $(localnet_libs)
tests_aosrun_LDADD = tests/libtest.a $(localnet_libs)
tests_enginelua_CFLAGS = $(AM_CFLAGS) $(LOCALNET_CFLAGS)
tests_enginelua_LDADD = $(localnet_libs)
tests_askrun_SOURCES = $(askrun_sources)
endif
# contrib/kit.sh builds with them
EXTRA_DIST += src/proof/digest_plain.c tests/kit_text.c
EXTRA_DIST += tests/lost_answers.c tests/moved_meanwhile.c \
	tests/stalled_disk.c
askrun_sources = tests/askrun.c tests/ask_made.c tests/ask_made.h
EXTRA_DIST += tests/aosrun.c tests/aos-same.mjs tests/t_localnet.c \
	tests/enginelua.c tests/engine.lua tests/serve.lua $(askrun_sources)
tests_judge_files_SOURCES = tests/judge_files.c
EXTRA_DIST += tests/judge_files.lua tests/luerl_judge.escript
EXTRA_DIST += tests/judge_make.lua tests/judge_made.lua \
	tests/judge_made_heads.lua tests/judge_made_models.lua \
	tests/judge_made_numbers.lua tests/judge_made_picks.lua \
	tests/judge_made_proofs.lua tests/judge_made_records.lua \
	tests/judge_made_shows.lua tests/judge_made_way.lua
EXTRA_DIST += tests/judge_mutants.lua tests/judge_mutants_known.lua \
	tests/lua_mutants.lua tests/queue_mutants.lua
tests_x1vectors_SOURCES = tests/x1vectors.c tests/vectors_ops.c \
	tests/vectors_runs.c tests/vectors.h
kernels_check_SOURCES = kernels/check.c kernels/check_plain.c \
	kernels/check_plain.h
# the level amx on emulated tiles, in place of libapus.a's
emulated_amx = tests/emulated_amx.c tests/emulated_amx_attention.c \
	tests/emulated_tiles.h
tests_emulated_check_SOURCES = $(emulated_amx) $(kernels_check_SOURCES)
tests_emulated_x1vectors_SOURCES = $(emulated_amx) \
	$(tests_x1vectors_SOURCES)
tests_t_comm_SOURCES = tests/t_comm.c \
	mpi/comm.c \
	mpi/comm.h \
	mpi/local_share.c \
	mpi/local_share.h \
	mpi/rank_group.c \
	mpi/rank_group.h \
	mpi/watchdog.c \
	mpi/watchdog.h
tests_t_comm_CFLAGS = $(AM_CFLAGS) $(MPI_CFLAGS)
tests_t_comm_LDADD = tests/libtest.a $(apus_libs) $(MPI_LIBS)
tests_t_dispatch_SOURCES = tests/t_dispatch.c \
	mpi/dispatch.c \
	mpi/dispatch.h \
	mpi/queue.c \
	mpi/queue.h \
	mpi/ranks.c \
	mpi/ranks.h \
	mpi/run_log.c \
	mpi/run_log.h
tests_t_dispatch_group_SOURCES = tests/t_dispatch_group.c \
	mpi/dispatch.c \
	mpi/dispatch.h \
	mpi/queue.c \
	mpi/queue.h \
	mpi/ranks.c \
	mpi/ranks.h \
	mpi/run_log.c \
	mpi/run_log.h
tests_t_local_share_SOURCES = tests/t_local_share.c \
	mpi/local_share.c \
	mpi/local_share.h
# their clock is moved by hand
tests_t_dispatch_CPPFLAGS = $(AM_CPPFLAGS) -Dclock_s=test_clock_s
tests_t_dispatch_group_CPPFLAGS = $(AM_CPPFLAGS) -Dclock_s=test_clock_s
tests_t_fidelity_SOURCES = tests/t_fidelity.c src/cmd/compare_out.c
tests_t_progress_SOURCES = tests/t_progress.c src/cmd/progress.c
tests_t_queue_SOURCES = tests/t_queue.c mpi/queue.c mpi/queue.h
tests_t_rank_SOURCES = tests/t_rank.c \
	mpi/compute.c \
	mpi/compute.h \
	mpi/pretend_fault.c \
	mpi/pretend_fault.h \
	mpi/tensors.c \
	mpi/tensors.h \
	mpi/local_share.c \
	mpi/local_share.h \
	mpi/rank.c \
	mpi/rank.h \
	mpi/rank_backend.c \
	mpi/rank_backend.h \
	mpi/sealer.c \
	mpi/sealer.h
tests_t_rank_CPPFLAGS = $(AM_CPPFLAGS) -Dclock_s=test_clock_s
tests_t_sandbox_LDADD = tests/libtest.a libapus.a $(SECCOMP_LIBS)
if HAVE_CUDA
check_PROGRAMS += tests/t_cuda
TESTS += tests/t_cuda
tests_t_cuda_SOURCES = tests/t_cuda.cu
tests_t_cuda_LDADD = tests/libtest.a libcuda.a $(apus_libs) $(CUDA_LIBS)
endif
EXTRA_DIST += tests/t_cuda.cu
include $(top_srcdir)/tests/cusim/rules.mk
