// SPDX-License-Identifier: MIT
import QtQuick
import GoProcess

/*!
    A Loader that closes first and unloads then, so that a teardown may return a promise.

    What it loads is a process, or has one in its property \c process. When \l active becomes false or
    something else is to be loaded, it closes that process, and unloads when the process is Closed.

    Where it goes itself, with its window or its engine, that waits for the close as for every process
    of QML, and a promise that is still open then is an error.
*/
FocusScope {
    id: root

    /*! It shall be loaded. */
    property bool active: true
    /*! What is loaded; it goes before \l source. */
    property Component sourceComponent: null
    /*! The file that is loaded. */
    property url source
    /*! As in a Loader. */
    property alias asynchronous: loader.asynchronous
    /*! As in a Loader: Loader.Ready, and so on. */
    readonly property alias status: loader.status
    /*! What was loaded, until it is unloaded. */
    readonly property QtObject item: loader.item
    /*! True from the moment when it closes the process until that is unloaded. */
    readonly property bool isClosing: root.__isClosing

    property bool __isClosing: false
    property Process __process: null

    /*! Something was loaded. */
    signal loaded

    function __isAsItShallBe() {
        if (root.__isClosing || loader.active !== root.active)
            return false;
        return !root.active || (root.sourceComponent ? loader.sourceComponent === root.sourceComponent
                                                     : loader.source === root.source);
    }

    function __follow() {
        if (root.__isAsItShallBe())
            return;
        const process = root.__process;
        if (process && process.state !== Process.Closed) {
            root.__isClosing = true;
            process.close(); // and comes back when it is Closed
            return;
        }
        root.__process = null;
        root.__isClosing = false;
        loader.active = false;
        if (!root.active)
            return;
        if (root.sourceComponent)
            loader.sourceComponent = root.sourceComponent;
        else
            loader.source = root.source;
        loader.active = true;
    }

    function __find(item) {
        return item instanceof Process ? item : item.process ?? null;
    }

    implicitWidth: loader.implicitWidth
    implicitHeight: loader.implicitHeight

    onActiveChanged: following.restart()
    onSourceComponentChanged: following.restart()
    onSourceChanged: following.restart()
    Component.onCompleted: root.__follow()

    Timer {
        id: following

        interval: 0 // after all that changes at once, and never inside of what is to be unloaded
        onTriggered: root.__follow()
    }

    Connections {
        target: root.__process

        function onClosed() {
            if (root.__isClosing)
                following.restart();
        }
    }

    Loader {
        id: loader

        active: false
        anchors.fill: parent
        focus: true

        onLoaded: {
            root.__process = root.__find(loader.item);
            root.loaded();
        }
    }
}
