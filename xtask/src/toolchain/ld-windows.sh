# The rest of the overlay's ld.lld: zig's lacks the driver that takes GNU's command lines for Windows, so they become lld-link's here.
# Of more than 64 KiB clang makes a file: every word in double quotes, with \ before \ and ", as sh reads them but for $ and `.
file=
case $#$1 in
1@*)
    file=$1
    words=$(sed 's/[$`]/\\&/g' "${file#@}") && eval "set -- $words" || exit 1
    ;;
esac
case " $* " in
*" -m i386pep "*) machine=x64 ;;
*" -m arm64pe "*) machine=arm64 ;;
*)
    # Zig's own drivers read such files.
    [ -z "$file" ] || set -- "$file"
    exec @zig@ ld.lld "$@"
    ;;
esac

library() {
    name=$1
    shift
    for word; do
        case $word in
        -L*) folder=${word#-L} ;;
        -libpath:*) folder=${word#-libpath:} ;;
        *) continue ;;
        esac
        for file in "lib$name.dll.a" "lib$name.a" "$name.lib"; do
            [ -f "$folder/$file" ] && found=$folder/$file && return
        done
    done
    found=$name.lib
}

next=
for word; do
    shift
    case $next in
    '') ;;
    skip) next= && continue ;;
    *) word=$next$word && next= ;;
    esac
    case $word in
    -m | -z) next=skip && continue ;;
    -L | -l) next=$word && continue ;;
    -o) next=-out: && continue ;;
    -e | --entry) next=-entry: && continue ;;
    --stack) next=-stack: && continue ;;
    --subsystem) next=-subsystem: && continue ;;
    --out-implib) next=-implib: && continue ;;
    --stack=*) word=-stack:${word#*=} ;;
    --subsystem=*) word=-subsystem:${word#*=} ;;
    --out-implib=*) word=-implib:${word#*=} ;;
    --entry=*) word=-entry:${word#*=} ;;
    -out:* | -entry:* | -stack:* | -subsystem:* | -implib:*) ;;
    -L*) word=-libpath:${word#-L} ;;
    -l*) library "${word#-l}" "$@" && word=$found ;;
    -shared | --shared | -dll | --dll) word=-dll ;;
    --gc-sections) word=-opt:ref ;;
    --icf=all) word=-opt:icf ;;
    # What lld-link does anyway, what the last command says, and what there is no choice of.
    --sysroot=* | -Bdynamic | -Bstatic | --start-group | --end-group | --as-needed | --no-as-needed) continue ;;
    --dynamicbase | --nxcompat | --high-entropy-va | --no-insert-timestamp | --icf=none | --no-gc-sections) continue ;;
    --color-diagnostics* | --fatal-warnings | --undefined-version | --build-id* | -O* | -s | -S) continue ;;
    --strip-all | --strip-debug) continue ;;
    --enable-auto-image-base | --no-call-graph-profile-sort | -plugin-opt=*) continue ;;
    -*)
        echo "ld.lld: what $word is for Windows is not known here" >&2
        exit 1
        ;;
    *.def) word=-def:$word ;;
    esac
    set -- "$@" "$word"
done
# What the missing driver always says. The time of the link is no part of what is linked.
exec @zig@ lld-link -lldmingw -nologo "-machine:$machine" -alternatename:__image_base__=__ImageBase \
    -dynamicbase -nxcompat -highentropyva -debug:none -timestamp:0 -opt:noref -opt:noicf "$@"
