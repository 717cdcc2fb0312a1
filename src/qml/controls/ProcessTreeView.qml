// SPDX-License-Identifier: MIT
import QtQuick
import QtQuick.Controls
import QtQuick.Layouts
import GoProcess

/*!
    The tree of processes below \l process: their names, their states by colour and by word, and how
    long they have been in them.

    Cursor keys move through it and open and close branches.
*/
Pane {
    id: root

    /*! The process below which it shows all; all processes for null. */
    property alias process: processModel.process
    /*! So many levels are open from the beginning. */
    property int openLevels: 2
    /*! The model that it shows. */
    readonly property alias model: processModel

    implicitWidth: metrics.averageCharacterWidth * 80
    implicitHeight: metrics.height * 20
    padding: 1

    background: Rectangle {
        color: root.palette.base
        border.color: tree.activeFocus ? root.palette.highlight : root.palette.mid
    }

    ProcessModel {
        id: processModel
    }

    FontMetrics {
        id: metrics

        font: root.font
    }

    ColumnLayout {
        anchors.fill: parent
        spacing: 0

        LayoutMirroring.enabled: Application.layoutDirection === Qt.RightToLeft
        LayoutMirroring.childrenInherit: true

        HorizontalHeaderView {
            syncView: tree
            clip: true
            Layout.fillWidth: true
        }

        TreeView {
            id: tree

            /// By path: the branches that the user has closed.
            property var closedByUser: ({})

            function path(row) {
                return processModel.data(tree.modelIndex(Qt.point(0, row)), ProcessModel.PathRole);
            }

            /// Opens the upper levels, but no branch that the user has closed.
            function openUpperLevels() {
                const many = 200; // what is further down is opened by whoever looks for it
                for (let row = 0; row < Math.min(tree.rows, many); ++row) {
                    const index = tree.modelIndex(Qt.point(0, row));
                    if (!index.valid)
                        return; // the layout has not followed yet; another call comes when it has
                    const isClosed = tree.depth(row) < root.openLevels && !tree.isExpanded(row);
                    if (isClosed && processModel.hasChildren(index) && !tree.closedByUser[path(row)])
                        tree.expand(row);
                }
            }

            model: processModel
            delegate: ProcessCell { }
            selectionModel: ItemSelectionModel {
                model: processModel
            }
            columnWidthProvider: column => {
                const narrow = metrics.averageCharacterWidth * 14;
                switch (column) {
                case ProcessModel.StateColumn:
                    return 2 * narrow;
                case ProcessModel.SinceColumn:
                    return narrow;
                }
                return Math.max(narrow, tree.width - 3 * narrow);
            }
            clip: true
            activeFocusOnTab: true
            focus: true
            boundsBehavior: Flickable.StopAtBounds
            Accessible.role: Accessible.Tree
            Accessible.name: qsTr("Processes")
            Layout.fillWidth: true
            Layout.fillHeight: true

            onWidthChanged: tree.forceLayout()
            onRowsChanged: opening.restart()
            onExpanded: row => delete tree.closedByUser[tree.path(row)]
            onCollapsed: row => tree.closedByUser[tree.path(row)] = true

            ScrollBar.vertical: ScrollBar { }
        }

        Timer {
            id: opening

            interval: 0 // after the layout
            onTriggered: tree.openUpperLevels()
        }
    }
}
