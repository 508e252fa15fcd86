# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Bash completion of tierctl: subcommands, their options, and the names of VMs as the daemon tells them.

# The names of all VMs; nothing when the daemon can't be asked. compgen expands what it is given as the shell does, so only
# names that mean nothing to a shell pass.
_tierctl_vms() {
    tierctl "$@" list --json 2>/dev/null | tr -d '\n' | grep -o '"name" *: *"[^"]*"' | cut -d '"' -f 4 | grep -x '[[:alnum:]_.:@+-]*' | sort -u
}

_tierctl() {
    local cur prev word command='' position=0 i socket=() options='--json --socket --help'
    local commands='list show top explain heatmap predict set add remove host record replay'

    cur=${COMP_WORDS[COMP_CWORD]}
    prev=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()

    # Which subcommand, and which of its arguments is being written.
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
            --socket) socket=(--socket "${COMP_WORDS[i + 1]}"); i=$((i + 1)) ;;
            --interval|--fast-size|--fast-min|--weight|--slowdown|--mode|--hints|--pin-limit|--owner|--seconds|--granules|--output|-o) i=$((i + 1)) ;;
            -*) ;;
            *) if [ -z "$command" ]; then command=$word; else position=$((position + 1)); fi ;;
        esac
    done

    case $prev in
        --socket|--output|-o) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        --mode)   mapfile -t COMPREPLY < <(compgen -W 'on observe off' -- "$cur"); return ;;
        --hints)  mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur"); return ;;
        --owner)  mapfile -t COMPREPLY < <(compgen -u -- "$cur"); return ;;
        --interval|--fast-size|--fast-min|--weight|--slowdown|--pin-limit|--seconds|--granules) return ;;
    esac

    case $command in
        '')     options="$options --version" ;;
        top)    options="$options --once --interval" ;;
        set)    options="$options --fast-size --fast-min --weight --slowdown --mode --hints --pin-limit" ;;
        add)    options="$options --owner" ;;
        explain) options="$options --verbose --granules" ;;
        heatmap) options="$options --output --seconds" ;;
        predict) options="$options --output --verbose" ;;
        record) options="$options --seconds" ;;
    esac
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
        return
    fi
    case $command/$position in
        /*) mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$cur") ;;
        show/0|explain/0|heatmap/0|predict/0|set/0|remove/0|record/0)
            mapfile -t COMPREPLY < <(compgen -W "$(_tierctl_vms "${socket[@]}")" -- "$cur") ;;
        record/1|replay/0)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    esac
}

complete -F _tierctl tierctl
