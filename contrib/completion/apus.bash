# Completion of apus for bash.  It asks apus itself what there is, so it is
# never older than the program: commands and options from --help, batches
# from the spool, models from the store.
_apus() {
    local word=${COMP_WORDS[COMP_CWORD]}
    local prev=${COMP_WORDS[COMP_CWORD - 1]}
    local command=${COMP_WORDS[1]} words

    if [ "$COMP_CWORD" = 1 ]; then
        words=$(apus --help 2>/dev/null |
            sed -n 's/^  \([a-z][a-z-]*\)  .*/\1/p')
        # shellcheck disable=SC2207
        COMPREPLY=($(compgen -W "$words --help --version" -- "$word"))
        return
    fi
    case $prev in
    -m | --model)
        words=$(apus model list 2>/dev/null | cut -f 1 | grep -v '^-$')
        # shellcheck disable=SC2207
        COMPREPLY=($(compgen -W "$words" -- "$word"))
        COMPREPLY+=($(compgen -f -- "$word"))
        return
        ;;
    esac
    case $word in
    -*)
        words=$(apus "$command" --help 2>/dev/null |
            grep -o -e '--[a-z][a-z-]*' | sort -u)
        ;;
    *)
        case $command in
        model | queue)
            words=$(apus "$command" --help 2>/dev/null |
                sed -n 's/^  \([a-z][a-z-]*\)  .*/\1/p')
            ;;
        status | submit | cancel | export | show | verify | seal | push)
            words=$(apus status 2>/dev/null | cut -f 1)
            ;;
        esac
        ;;
    esac
    # shellcheck disable=SC2207
    COMPREPLY=($(compgen -W "$words" -- "$word"))
    COMPREPLY+=($(compgen -f -- "$word"))
}
complete -o filenames -F _apus apus
