# Applications find IBus by these; Plasma on Wayland starts it by itself.
export XMODIFIERS=@im=ibus
export QT_IM_MODULE=ibus
