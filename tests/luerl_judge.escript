#!/usr/bin/env escript
%% luerl_judge.escript CONTRIB FILE...: the judge in Luerl on dispute files, a
%% line each: FILE, the verdict, and the milliseconds of it.
-mode(compile).

main([Dir | Files]) ->
    Names = [Dir ++ "/ao/queue/05-sha256.lua" |
             filelib:wildcard(Dir ++ "/ao/judge/*.lua")],
    St = lists:foldl(fun load/2, luerl:init(), Names),
    lists:foreach(fun(F) -> judge(F, St) end, Files).

load(Name, St0) ->
    {ok, Text} = file:read_file(Name),
    {_, St} = run(Text, St0),
    St.

judge(Name, St0) ->
    {ok, File} = file:read_file(Name),
    St1 = case luerl:set_table([<<"file">>], File, St0) of
              {ok, S} -> S;
              S -> S
          end,
    Text = <<"local s = ApusQueue.judge.play(file) "
             "return s and (s.verdict or 'open') or 'refused'">>,
    Before = erlang:statistics(runtime),
    {[Verdict], _} = run(Text, St1),
    {After, _} = erlang:statistics(runtime),
    io:format("~s ~s ~p~n", [Name, Verdict, After - element(1, Before)]).

run(Text, St) ->
    case luerl:do(Text, St) of
        {ok, R, St1} -> {R, St1};
        {R, St1} -> {R, St1}
    end.
