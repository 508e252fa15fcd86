# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Bash completion of virt-tier: subcommands, their options with what these may be, and the names of domains.

# The names of all domains; nothing when libvirt can't be asked. compgen expands what it is given as the shell does, so only
# names that mean nothing to a shell pass.
_virt_tier_domains() {
    virsh "$@" list --all --name 2>/dev/null | grep -x '[[:alnum:]_.:@+-]*'
}

_virt_tier() {
    local cur prev word command='' position=0 i connect=() options='--connect --socket --help' words=''
    local commands='enable set disable show status list check plain'
    local settings='--required --mode --fast-min --fast-max --weight --slowdown --placement --granule --hugepages --tiers --hints
                    --pin-limit --sources --emulator'

    cur=${COMP_WORDS[COMP_CWORD]}
    prev=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()

    # Which subcommand, and which of its arguments is being written.
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
            -c|--connect) connect=(-c "${COMP_WORDS[i + 1]}"); i=$((i + 1)) ;;
            --dry-run|--live|--config|--help|--version|-n|-h) ;;
            -*) i=$((i + 1)) ;;
            *)  if [ -z "$command" ]; then command=$word; else position=$((position + 1)); fi ;;
        esac
    done

    case $prev in
        --socket|--emulator) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        -c|--connect)     words='qemu:///system' ;;
        --required)       words='yes no' ;;
        --mode)           words='on observe off' ;;
        --hints)          words='on off' ;;
        --placement)      words='interleave fast-first slow-first' ;;
        --hugepages)      words='off collapse hugetlb' ;;
        --granule)        words='4KiB 2MiB' ;;
        --sources)        words='damon rwp wp chmu' ;;
        --fast-min|--fast-max|--weight|--slowdown|--tiers|--pin-limit) words='default' ;;
    esac
    if [ -n "$words" ]; then
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
        return
    fi

    case $command in
        '')      options="$options --version" ;;
        enable)  options="$options $settings --dry-run" ;;
        set)     options="$options $settings --dry-run --live --config" ;;
        disable) options="$options --dry-run" ;;
        check)   options="$options $settings" ;;
    esac
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
        return
    fi
    case $command/$position in
        /*) mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$cur") ;;
        check/0)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -W "$(_virt_tier_domains "${connect[@]}")" -- "$cur"; compgen -f -- "$cur") ;;
        enable/0|set/0|disable/0|show/0|status/0|plain/0)
            mapfile -t COMPREPLY < <(compgen -W "$(_virt_tier_domains "${connect[@]}")" -- "$cur") ;;
    esac
}

complete -F _virt_tier virt-tier
